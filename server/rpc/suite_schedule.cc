#include "server/rpc/suite_schedule.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "proto/base/visible_text.h"
#include "server/measure/identity.h"
#include "server/rpc/job_admission.h"
#include "server/run/dispatcher.h"
#include "storage/device_rest.h"

namespace torchlap::rpc {
namespace {

// Longest rest that a suite may wait for, and a run that may last a day before it.
constexpr int64_t kPastNs = int64_t{8} * 24 * 3600 * 1'000'000'000;

// What only time heals, and what no owner can do anything about; a full queue, too.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) || absl::IsInternal(status) ||
         absl::IsResourceExhausted(status);
}

std::string OneLineOf(const absl::Status& status) { return Visible(std::string(status.message())); }

// The same for the same time of a suite, whatever happens between; another for every other.
std::string RequestId(const storage::StoredSuite& suite, int sweep) {
  return fmt::format("{}{}/{}/{}/{}", storage::kSuiteRequests, measure::Digest(suite.name),
                     suite.added_at_ns, suite.last_at_ns, sweep);
}

v1::SubmitJobsRequest RequestOf(const storage::StoredSuite& suite, const v1::SuiteSweep& sweep,
                                int index) {
  v1::SubmitJobsRequest request;
  request.set_request_id(RequestId(suite, index));
  request.set_sweep_name(sweep.name());
  *request.mutable_jobs() = sweep.jobs();
  request.set_shuffle(sweep.shuffle());
  return request;
}

// `sweep:3, sweep:4 are not finished`
std::string UnfinishedWords(const std::vector<uint64_t>& sweeps) {
  std::string text;
  for (const uint64_t id : sweeps) text += fmt::format("{}sweep:{}", text.empty() ? "" : ", ", id);
  return fmt::format("{} of the time before {} not finished", text,
                     sweeps.size() == 1 ? "is" : "are");
}

bool MayRunOn(const host::HostDevice& device, const std::set<std::string>& keys) {
  const std::vector<std::string> of_device = run::DeviceKeys(device);
  return std::any_of(of_device.begin(), of_device.end(),
                     [&](const std::string& key) { return keys.contains(key); });
}

SuiteHistory HistoryOf(const storage::StoredSuite& suite) {
  return {suite.added_at_ns, suite.last_at_ns};
}

}  // namespace

absl::StatusOr<storage::Caller> UnchangedOwner(const storage::StoredSuite& suite) {
  storage::Caller owner;
  owner.principal = suite.principal;
  owner.name = suite.account;
  return owner;
}

SuiteSchedule::SuiteSchedule(ScheduleSetting setting)
    : setting_(std::move(setting)), suites_(setting_.database) {}

SuiteSchedule::~SuiteSchedule() {
  Stop();
  if (thread_.joinable()) thread_.join();
}

void SuiteSchedule::Start() {
  thread_ = std::thread([this] { Run(); });
}

void SuiteSchedule::Stop() {
  stopping_ = true;
  wake_up_.Notify();
}

std::optional<int64_t> SuiteSchedule::NextTimeOf(const storage::StoredSuite& suite) const {
  return NextTime(suite.time, HistoryOf(suite), setting_.clock->WallNs(), setting_.utc_offset);
}

void SuiteSchedule::Run() {
  while (!stopping_) {
    wake_up_.Clear();
    const int64_t again_ns = LookOnce();
    int64_t deadline_ns = Clock::kNever;
    if (again_ns != Clock::kNever) {
      const int64_t left_ns =
          std::clamp<int64_t>(again_ns - setting_.clock->WallNs(), 0, kLongestSleepNs);
      deadline_ns = setting_.clock->MonotonicNs() + left_ns;
    }
    if (stopping_) return;
    pollfd woken = {wake_up_.fd(), POLLIN, 0};
    setting_.clock->Poll(&woken, 1, deadline_ns);
  }
}

int64_t SuiteSchedule::LookOnce() {
  const int64_t now_ns = setting_.clock->WallNs();
  const auto suites = suites_.List();
  if (!suites.ok()) {
    spdlog::error("cannot read the suites: {}", OneLineOf(suites.status()));
    return now_ns + kAskAgainNs;
  }
  int64_t again_ns = Clock::kNever;
  for (const storage::StoredSuite& suite : *suites) {
    if (stopping_) break;
    again_ns = std::min(again_ns, Look(suite, now_ns));
  }
  return again_ns;
}

int64_t SuiteSchedule::Look(const storage::StoredSuite& suite, int64_t now_ns) {
  const auto idle = IdlenessOf(suite, now_ns);
  if (!idle.ok()) return now_ns + kAskAgainNs;
  const SuiteMoment moment =
      MomentOf(suite.time, HistoryOf(suite), *idle, now_ns, setting_.utc_offset);
  if (!moment.is_due) return moment.look_again_ns;
  if (absl::Status submitted = Submit(suite, now_ns); !submitted.ok()) {
    spdlog::warn("suite '{}' of {} waits: {}", Visible(suite.name), suite.user,
                 OneLineOf(submitted));
    return now_ns + kAskAgainNs;
  }
  storage::StoredSuite after = suite;
  after.last_at_ns = now_ns;
  return MomentOf(after.time, HistoryOf(after), {true, std::nullopt}, now_ns, setting_.utc_offset)
      .look_again_ns;
}

absl::StatusOr<Idleness> SuiteSchedule::IdlenessOf(const storage::StoredSuite& suite,
                                                   int64_t now_ns) const {
  Idleness idle;
  if (!suite.time.has_idle_ns()) return idle;
  const std::vector<host::HostDevice>& devices = setting_.fleet->devices();
  std::set<std::string> keys;
  for (const std::string& asked : suite.devices) {
    if (auto key = DeviceKeyOf(asked, devices)) keys.insert(*std::move(key));
  }
  for (const host::HostDevice& device : devices) {
    if (!MayRunOn(device, keys)) continue;
    const auto rest =
        storage::RestOf(*setting_.database, device.uuid, run::DeviceKeys(device), now_ns - kPastNs);
    if (!rest.ok()) return rest.status();
    idle.has_work = idle.has_work || rest->has_work;
    if (rest->last_end_ns) {
      idle.since_ns = std::max(idle.since_ns.value_or(*rest->last_end_ns), *rest->last_end_ns);
    }
  }
  return idle;
}

absl::Status SuiteSchedule::Submit(const storage::StoredSuite& suite, int64_t now_ns) {
  const auto outcome = SubmitAll(suite);
  // It was removed, or replaced by one that is looked at next.
  if (absl::IsNotFound(outcome.status())) return absl::OkStatus();
  if (absl::IsResourceExhausted(outcome.status())) return WaitForRoom(suite, outcome.status());
  if (!outcome.ok()) return outcome.status();
  if (!outcome->problem.empty()) {
    spdlog::warn("suite '{}' of {}: {}", Visible(suite.name), suite.user, outcome->problem);
  }
  return suites_.Note(suite, now_ns, outcome->sweep_ids, outcome->problem);
}

// Its owner sees why it waits; its time and its sweeps stay, so that it is still due.
absl::Status SuiteSchedule::WaitForRoom(const storage::StoredSuite& suite, absl::Status full) {
  const std::string problem = "waits: " + OneLineOf(full);
  if (suite.problem == problem) return full;
  absl::Status noted = suites_.Note(suite, suite.last_at_ns, {}, problem);
  return noted.ok() ? full : noted;
}

absl::StatusOr<SuiteSchedule::Outcome> SuiteSchedule::SubmitAll(const storage::StoredSuite& suite) {
  const auto unfinished = suites_.Unfinished(suite.last_sweep_ids);
  if (!unfinished.ok()) return unfinished.status();
  if (!unfinished->empty()) return Outcome{{}, UnfinishedWords(*unfinished)};
  const auto owner = setting_.owner_of(suite);
  if (absl::IsFailedPrecondition(owner.status())) return Outcome{{}, OneLineOf(owner.status())};
  if (!owner.ok()) return owner.status();
  const auto asked = suites_.Asked(suite);
  if (absl::IsDataLoss(asked.status())) return Outcome{{}, OneLineOf(asked.status())};
  if (!asked.ok()) return asked.status();
  return SubmitSweeps(suite, *owner, *asked);
}

absl::StatusOr<SuiteSchedule::Outcome> SuiteSchedule::SubmitSweeps(
    const storage::StoredSuite& suite, const storage::Caller& owner,
    const v1::AddSuiteRequest& asked) {
  Outcome outcome;
  for (int i = 0; i < asked.sweeps_size(); ++i) {
    const v1::SubmitJobsRequest request = RequestOf(suite, asked.sweeps(i), i);
    v1::SubmitJobsResponse response;
    absl::Status status = setting_.submit->CheckEverFits(owner, request);
    const bool ever_fits = status.ok();
    if (ever_fits) status = setting_.submit->Answer(owner, request, &response);
    // Those that were submitted answer the same when it is tried again.
    if (ever_fits && MayPass(status)) return status;
    if (!status.ok()) {
      outcome.problem =
          fmt::format("{} of {} sweeps submitted; {}: {}", outcome.sweep_ids.size(),
                      asked.sweeps_size(), Visible(asked.sweeps(i).name()), OneLineOf(status));
      break;
    }
    outcome.sweep_ids.push_back(response.sweep_id());
  }
  return outcome;
}

}  // namespace torchlap::rpc
