#include "server/rpc/suites.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <set>
#include <string>
#include <vector>

#include "proto/ranges.h"
#include "proto/suite_limits.h"
#include "server/rpc/text_check.h"
#include "storage/suite_store.h"
#include "storage/visibility.h"

namespace torchlap::rpc {
namespace {

constexpr uint32_t kMinutesOfDay = 1440;
constexpr int64_t kSecondNs = 1'000'000'000;
// As far back as the schedule looks for work (suite_schedule.cc).
constexpr int64_t kLongestIdleNs = int64_t{7} * 24 * 3600 * kSecondNs;
constexpr int64_t kLongestPauseNs = int64_t{366} * 24 * 3600 * kSecondNs;

absl::Status CheckNameOf(const char* field, const std::string& name) {
  return CheckName(field, name, kMostSuiteNameChars);
}

absl::Status CheckSeconds(const char* field, int64_t value_ns, int64_t least_ns, int64_t most_ns) {
  if (value_ns >= least_ns && value_ns <= most_ns) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} is {} s, must be {} to {} s", field,
                                                static_cast<double>(value_ns) / kSecondNs,
                                                least_ns / kSecondNs, most_ns / kSecondNs));
}

absl::Status CheckTime(const v1::SuiteTime& time) {
  switch (time.when_case()) {
    case v1::SuiteTime::kMinuteOfDay:
      if (time.minute_of_day() < kMinutesOfDay) return absl::OkStatus();
      return absl::InvalidArgumentError(fmt::format("minute_of_day is {}, must be 0 to {}",
                                                    time.minute_of_day(), kMinutesOfDay - 1));
    case v1::SuiteTime::kIdleNs:
      if (absl::Status idle = CheckSeconds("idle", time.idle_ns(), kSecondNs, kLongestIdleNs);
          !idle.ok()) {
        return idle;
      }
      if (time.at_most_every_ns() == 0) return absl::OkStatus();
      return CheckSeconds("at_most_every", time.at_most_every_ns(), kSecondNs, kLongestPauseNs);
    default:
      return absl::InvalidArgumentError(
          "time is not given, must be a minute of the day or how long devices are idle");
  }
}

absl::Status CheckSweepNames(const v1::AddSuiteRequest& suite) {
  std::set<std::string> names;
  for (const v1::SuiteSweep& sweep : suite.sweeps()) {
    if (absl::Status name = CheckNameOf("sweeps.name", sweep.name()); !name.ok()) return name;
    if (!names.insert(sweep.name()).second) {
      return absl::InvalidArgumentError(
          fmt::format("sweep {} is given twice, must be given once", Named(sweep.name())));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAmount(const v1::AddSuiteRequest& suite) {
  if (suite.sweeps_size() < 1 || suite.sweeps_size() > kMostSweepsOfSuite) {
    return absl::InvalidArgumentError(fmt::format("sweeps has {} entries, must have 1 to {}",
                                                  suite.sweeps_size(), kMostSweepsOfSuite));
  }
  int jobs = 0;
  for (const v1::SuiteSweep& sweep : suite.sweeps()) jobs += sweep.jobs_size();
  if (jobs <= kMostJobsOfSuite) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("the suite has {} jobs, must have at most {}", jobs, kMostJobsOfSuite));
}

absl::Status CheckSuite(const v1::AddSuiteRequest& suite) {
  if (absl::Status name = CheckNameOf("name", suite.name()); !name.ok()) return name;
  if (absl::Status time = CheckTime(suite.time()); !time.ok()) return time;
  if (absl::Status amount = CheckAmount(suite); !amount.ok()) return amount;
  return CheckSweepNames(suite);
}

// INVALID_ARGUMENT: another suite's label.
absl::Status Mark(const std::string& suite, v1::JobSpec* job) {
  const std::string& label = (*job->mutable_labels())[kSuiteLabel];
  if (!label.empty() && label != suite) {
    return absl::InvalidArgumentError(
        fmt::format("the label {} is {}, must be left out: it will be {}", kSuiteLabel,
                    Named(label), Named(suite)));
  }
  (*job->mutable_labels())[kSuiteLabel] = suite;
  const Range priorities = RangeOf<v1::JobSpec>(v1::JobSpec::kPriorityFieldNumber);
  job->set_priority(static_cast<int32_t>(priorities.min));
  return absl::OkStatus();
}

absl::Status MarkAll(v1::AddSuiteRequest* suite) {
  for (v1::SuiteSweep& sweep : *suite->mutable_sweeps()) {
    for (v1::JobSpec& job : *sweep.mutable_jobs()) {
      if (absl::Status marked = Mark(suite->name(), &job); !marked.ok()) return marked;
    }
  }
  return absl::OkStatus();
}

v1::Suite Shown(const storage::StoredSuite& stored, const SuiteSchedule& schedule) {
  v1::Suite suite;
  suite.set_name(stored.name);
  suite.set_user(stored.user);
  *suite.mutable_time() = stored.time;
  suite.set_sweeps(stored.sweeps);
  suite.set_jobs(stored.jobs);
  suite.set_added_at_ns(stored.added_at_ns);
  suite.set_last_at_ns(stored.last_at_ns);
  suite.mutable_last_sweep_ids()->Add(stored.last_sweep_ids.begin(), stored.last_sweep_ids.end());
  if (const auto next_ns = schedule.NextTimeOf(stored)) suite.set_next_at_ns(*next_ns);
  suite.set_problem(stored.problem);
  return suite;
}

// With those that there are.
absl::Status NoOwnSuite(const storage::Caller& caller, const std::string& name,
                        const std::vector<storage::StoredSuite>& suites) {
  constexpr size_t kMostNamed = 10;
  std::vector<std::string> names;
  for (const storage::StoredSuite& suite : suites) names.push_back(suite.name);
  const size_t all = names.size();
  if (all > kMostNamed) {
    names.resize(kMostNamed);
    names.push_back(fmt::format("{} more", all - kMostNamed));
  }
  return absl::NotFoundError(fmt::format(
      "there is no suite '{}' of {}; {}", name, caller.name,
      names.empty() ? "you have none" : fmt::format("yours: {}", fmt::join(names, ", "))));
}

bool IsSelf(const storage::Caller& caller, const std::string& user) {
  return user.empty() || user == caller.name || user == caller.principal;
}

}  // namespace

absl::Status AddSuite::CheckSweeps(const storage::Caller& caller,
                                   const v1::AddSuiteRequest& suite) const {
  for (const v1::SuiteSweep& sweep : suite.sweeps()) {
    v1::SubmitJobsRequest request;
    request.set_sweep_name(sweep.name());
    *request.mutable_jobs() = sweep.jobs();
    const absl::Status status = submit_->Admissible(caller, request).status();
    if (status.ok()) continue;
    return {status.code(),
            fmt::format("sweep {}: {}", Named(sweep.name()), std::string(status.message()))};
  }
  return absl::OkStatus();
}

absl::Status AddSuite::Answer(const storage::Caller& caller, const v1::AddSuiteRequest& request,
                              v1::AddSuiteResponse* response) const {
  if (absl::Status status = CheckSuite(request); !status.ok()) return status;
  v1::AddSuiteRequest suite = request;
  if (absl::Status marked = MarkAll(&suite); !marked.ok()) return marked;
  if (absl::Status sweeps = CheckSweeps(caller, suite); !sweeps.ok()) return sweeps;
  const int64_t now_ns = clock_->WallNs();
  const auto replaced = storage::SuiteStore(database_).Put(caller, suite, now_ns);
  if (!replaced.ok()) return replaced.status();
  response->set_replaced(*replaced);
  storage::StoredSuite stored;
  stored.time = suite.time();
  stored.added_at_ns = now_ns;
  if (const auto next_ns = schedule_->NextTimeOf(stored)) response->set_next_at_ns(*next_ns);
  spdlog::info("{} {} the suite {}", caller.name, *replaced ? "replaced" : "added",
               Named(suite.name()));
  schedule_->Wake();
  return absl::OkStatus();
}

absl::Status ListSuites::Answer(const storage::Caller& caller, const v1::ListSuitesRequest& request,
                                v1::ListSuitesResponse* response) const {
  if (absl::Status user = CheckText("user", request.user()); !user.ok()) return user;
  const auto suites =
      storage::SuiteStore(database_).List(request.user(), storage::OnlyOwner(caller));
  if (!suites.ok()) return suites.status();
  for (const storage::StoredSuite& suite : *suites) {
    *response->add_suites() = Shown(suite, *schedule_);
  }
  return absl::OkStatus();
}

absl::Status RemoveSuite::Answer(const storage::Caller& caller,
                                 const v1::RemoveSuiteRequest& request,
                                 v1::RemoveSuiteResponse* /*response*/) const {
  if (absl::Status name = CheckNameOf("name", request.name()); !name.ok()) return name;
  if (absl::Status user = CheckText("user", request.user()); !user.ok()) return user;
  const bool is_self = IsSelf(caller, request.user());
  // Whether others have one of this name is not told either.
  if (!is_self && !caller.sees_all) {
    return absl::PermissionDeniedError(
        fmt::format("suites of {} belong to {}; only their owner or an admin may remove them",
                    Named(request.user()), Named(request.user())));
  }
  storage::SuiteStore store(database_);
  absl::Status removed =
      store.Remove(caller, is_self ? caller.principal : request.user(), request.name());
  if (is_self && absl::IsNotFound(removed)) {
    const auto own = store.List(caller.principal, caller.principal);
    return own.ok() ? NoOwnSuite(caller, request.name(), *own) : own.status();
  }
  if (!removed.ok()) return removed;
  spdlog::info("{} removed the suite {}", caller.name, Named(request.name()));
  schedule_->Wake();
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
