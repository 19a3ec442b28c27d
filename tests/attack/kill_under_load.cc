#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "server/host/account_name.h"
#include "tests/attack/siege.h"
#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kJobsOfALife = 20;
constexpr int kLongestLifeMs = 900;

bool IsGone(pid_t pid) { return ::kill(pid, 0) != 0; }

// Whoever submits and keeps what was accepted.
class Submitter {
 public:
  explicit Submitter(const std::filesystem::path& socket) : stub_(StubOf(socket)) {}

  // Some jobs; one whose answer was lost is asked for again under the same request_id, which makes
  // no second sweep.
  void Submit(int life) {
    unanswered_.push_back(TinySweep(kJobsOfALife));
    unanswered_.back().set_request_id(fmt::format("life-{}", life));
    std::erase_if(unanswered_, [this](const v1::SubmitJobsRequest& each) { return Ask(each); });
  }

  // All that was not answered yet. False: some still is not.
  bool Settle() {
    std::erase_if(unanswered_, [this](const v1::SubmitJobsRequest& each) { return Ask(each); });
    return unanswered_.empty();
  }

  // What does not end is counted afterwards.
  grpc::Status AwaitEnds(seconds patience) {
    v1::Selector jobs;
    jobs.mutable_job_ids()->Assign(accepted_.begin(), accepted_.end());
    const grpc::Status status = attack::AwaitEnds(stub_.get(), jobs, patience);
    // The channel may learn from this very call that the daemon behind it was killed; the next one
    // waits for another.
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return status;
    return attack::AwaitEnds(stub_.get(), jobs, patience);
  }

  const std::set<uint64_t>& accepted() const { return accepted_; }

 private:
  bool Ask(const v1::SubmitJobsRequest& request) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    SetDeadline(&context, seconds(20));
    v1::SubmitJobsResponse response;
    if (!stub_->SubmitJobs(&context, request, &response).ok()) return false;
    accepted_.insert(response.job_ids().begin(), response.job_ids().end());
    return true;
  }

  const std::unique_ptr<v1::Torchlap::Stub> stub_;
  std::vector<v1::SubmitJobsRequest> unanswered_;
  std::set<uint64_t> accepted_;
};

std::map<uint64_t, uint64_t> OkRunsByJob(const e2e::World& world) {
  std::map<uint64_t, uint64_t> runs;
  for (const std::string& job : world.Query("SELECT job_id FROM runs WHERE outcome = 'OK'")) {
    ++runs[std::stoull(job)];
  }
  return runs;
}

struct Count {
  uint64_t lost = 0;
  uint64_t twice = 0;
};

Count CountRuns(const e2e::World& world, const std::set<uint64_t>& jobs) {
  const std::map<uint64_t, uint64_t> runs = OkRunsByJob(world);
  Count count;
  for (const uint64_t job : jobs) {
    const auto found = runs.find(job);
    if (found == runs.end()) {
      ++count.lost;
    } else if (found->second > 1) {
      ++count.twice;
    }
  }
  return count;
}

// Of the submitter: nobody else submits as many jobs at once.
std::string SweepsOf(const e2e::World& world) {
  const auto sweeps = world.Query(
      fmt::format("SELECT COUNT(*) FROM (SELECT 1 FROM job GROUP BY sweep_id HAVING COUNT(*) = {})",
                  kJobsOfALife));
  return sweeps.empty() ? "" : sweeps[0];
}

std::string Unfinished(const e2e::World& world) {
  const auto jobs = world.Query("SELECT COUNT(*) FROM job WHERE state < 3");
  return jobs.empty() ? "" : jobs[0];
}

void CancelTheLoad(Target* target) {
  if (AreUsersApart()) target->world().Client({"cancel", "--user", host::AccountName(kAttacker)});
}

}  // namespace

Report KillUnderLoad(const Choice& choice) {
  const uint64_t kills = choice.count.value_or(choice.large ? 1000 : 10);
  Target target("torchlap-fake-worker", "max_interruptions = 0\n");
  Report report;
  if (!target.Start()) return {json::object(), {"no start: " + target.daemon().err()}};
  const auto load = target.StartRole("load", kAttacker, {});
  Submitter submitter(target.world().socket());
  std::mt19937_64 random(choice.seed);
  std::vector<pid_t> workers;
  for (uint64_t kill = 0; kill < kills; ++kill) {
    submitter.Submit(static_cast<int>(kill));
    const auto never = [] { return false; };
    e2e::Eventually(never, milliseconds(random() % kLongestLifeMs));
    const std::vector<pid_t> now = e2e::World::Children(target.daemon().pid());
    workers.insert(workers.end(), now.begin(), now.end());
    target.Kill();
    if (target.Start()) continue;
    report.harm.push_back(
        fmt::format("no start after {} kills: {}", kill + 1, target.daemon().err()));
    return report;
  }
  load->Signal(SIGKILL);
  load->Wait();
  const bool is_settled = e2e::Eventually([&] { return submitter.Settle(); });
  CancelTheLoad(&target);
  const grpc::Status ends = submitter.AwaitEnds(seconds(120 + 2 * kills));
  const Count count = CountRuns(target.world(), submitter.accepted());
  const bool are_gone =
      e2e::Eventually([&] { return std::all_of(workers.begin(), workers.end(), IsGone); });
  const auto integrity = target.world().Query("PRAGMA integrity_check");
  const auto orphans = target.world().Query("PRAGMA foreign_key_check");
  report.measure = {{"kills", kills},
                    {"accepted", submitter.accepted().size()},
                    {"interrupted", target.world().Query(
                                        "SELECT COUNT(*) FROM runs WHERE outcome = 'INTERRUPTED'")},
                    {"lost", count.lost},
                    {"unfinished", Unfinished(target.world())},
                    {"twice", count.twice},
                    {"sweeps", SweepsOf(target.world())},
                    {"integrity", integrity}};
  if (!ends.ok()) report.harm.push_back("the watch ended with " + ends.error_message());
  if (!is_settled) report.harm.push_back("a submit was never answered");
  if (count.lost > 0) {
    report.harm.push_back(fmt::format("{} jobs have no OK run; {} of all are not finished",
                                      count.lost, Unfinished(target.world())));
  }
  if (count.twice > 0) report.harm.push_back(fmt::format("{} jobs have two", count.twice));
  if (SweepsOf(target.world()) != std::to_string(kills)) {
    report.harm.push_back(
        fmt::format("{} submits made {} sweeps", kills, SweepsOf(target.world())));
  }
  if (!are_gone) report.harm.push_back("a worker outlived its daemon");
  if (integrity != std::vector<std::string>{"ok"} || !orphans.empty()) {
    report.harm.push_back("the database is not consistent");
  }
  if (target.Stop() != 0) report.harm.push_back("the daemon ended badly");
  return report;
}

}  // namespace torchlap::attack
