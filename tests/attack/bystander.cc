#include "tests/attack/bystander.h"

#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kPatience{60};

// Sleeps; true when SIGTERM came meanwhile.
bool IsToldToEnd(long milliseconds) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  const timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  return ::sigtimedwait(&stop, nullptr, &pause) == SIGTERM;
}

class Times {
 public:
  template <typename Call>
  void Take(const Call& call) {
    const auto began = std::chrono::steady_clock::now();
    const grpc::Status status = call();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    ms_.push_back(took.count());
    if (status.ok()) return;
    ++errors_;
    if (error_.empty()) {
      error_ = std::to_string(status.error_code()) + ": " + status.error_message().substr(0, 200);
    }
  }

  json ToJson() const {
    std::vector<double> sorted = ms_;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double share) {
      if (sorted.empty()) return 0.0;
      const double last = static_cast<double>(sorted.size() - 1);
      return sorted[static_cast<size_t>(std::lround(share * last))];
    };
    return {{"count", sorted.size()}, {"p50_ms", at(0.5)}, {"p99_ms", at(0.99)},
            {"max_ms", at(1.0)},      {"errors", errors_}, {"error", error_}};
  }

 private:
  std::vector<double> ms_;
  uint64_t errors_ = 0;
  std::string error_;
};

struct Ends {
  uint64_t unfinished = 0;
  uint64_t failed = 0;
};

// Of the jobs, now.
Ends Look(v1::Torchlap::Stub* stub, const std::vector<uint64_t>& jobs) {
  constexpr size_t kPage = 1000;
  Ends ends{jobs.size(), 0};
  for (size_t begin = 0; begin < jobs.size(); begin += kPage) {
    v1::ListJobsRequest request;
    request.set_page_size(kPage);
    for (size_t i = begin; i < std::min(jobs.size(), begin + kPage); ++i) {
      request.mutable_selector()->add_job_ids(jobs[i]);
    }
    grpc::ClientContext context;
    SetDeadline(&context, kPatience);
    v1::ListJobsResponse response;
    if (!stub->ListJobs(&context, request, &response).ok()) continue;
    for (const v1::Job& job : response.jobs()) {
      if (job.state() == v1::JOB_STATE_QUEUED || job.state() == v1::JOB_STATE_RUNNING) continue;
      --ends.unfinished;
      if (job.state() != v1::JOB_STATE_SUCCEEDED) ++ends.failed;
    }
  }
  return ends;
}

}  // namespace

json StandBy(const std::filesystem::path& socket, uint64_t rounds) {
  constexpr long kPauseMs = 50;
  const auto stub = StubOf(socket);
  Times status;
  Times submit;
  std::vector<uint64_t> jobs;
  const v1::SubmitJobsRequest sweep = TinySweep(1);
  for (uint64_t round = 0; round < rounds && !IsToldToEnd(kPauseMs); ++round) {
    status.Take([&] {
      grpc::ClientContext context;
      SetDeadline(&context, kPatience);
      v1::GetDaemonStatusResponse response;
      return stub->GetDaemonStatus(&context, {}, &response);
    });
    submit.Take([&] {
      grpc::ClientContext context;
      SetDeadline(&context, kPatience);
      v1::SubmitJobsResponse response;
      const grpc::Status answer = stub->SubmitJobs(&context, sweep, &response);
      jobs.insert(jobs.end(), response.job_ids().begin(), response.job_ids().end());
      return answer;
    });
  }
  v1::Selector selector;
  selector.mutable_job_ids()->Assign(jobs.begin(), jobs.end());
  if (!jobs.empty()) AwaitEnds(stub.get(), selector, kPatience);
  const Ends ends = Look(stub.get(), jobs);
  return {{"status", status.ToJson()},
          {"submit", submit.ToJson()},
          {"jobs", jobs.size()},
          {"failed", ends.failed},
          {"unfinished", ends.unfinished}};
}

}  // namespace torchlap::attack
