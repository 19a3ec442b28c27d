#include "server/rpc/submit_jobs.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>

#include "proto/ranges.h"
#include "server/measure/identity.h"
#include "server/rpc/text_check.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kMaxRequestIdChars = 128;
constexpr size_t kMaxSweepNameChars = 100;

// What a request would put into the queue, counted without a look at anything else in it. A number
// of launches that is refused anyway counts as the largest that is not.
storage::QueueAmount AmountOf(const v1::SubmitJobsRequest& request) {
  static const Range launches = RangeOf<v1::Plan>(v1::Plan::kLaunchesFieldNumber);
  const auto most = static_cast<uint32_t>(launches.max);
  storage::QueueAmount amount;
  for (const v1::JobSpec& job : request.jobs()) {
    const uint32_t asked = job.plan().has_launches() ? job.plan().launches() : 1;
    amount.launches += std::clamp(asked, 1U, most) + (job.plan().trace() ? 1U : 0U);
    ++amount.jobs;
  }
  return amount;
}

// The same request has the same digest: fields in the order of their numbers, maps sorted.
std::string RequestDigest(const v1::SubmitJobsRequest& request) {
  std::string text = request.sweep_name();
  for (const v1::JobSpec& job : request.jobs()) {
    text += '\n';
    text += job.ShortDebugString();
  }
  return measure::Digest(text);
}

void Fill(const storage::Submitted& submitted, v1::SubmitJobsResponse* response) {
  response->set_sweep_id(submitted.sweep_id);
  response->mutable_job_ids()->Add(submitted.job_ids.begin(), submitted.job_ids.end());
}

// Before anything is made of the request, which may be as large as a message can be.
absl::Status CheckSize(const v1::SubmitJobsRequest& request) {
  if (absl::Status count = CheckJobCount(request.jobs_size()); !count.ok()) return count;
  if (request.request_id().size() <= kMaxRequestIdChars) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("request_id has {} characters, must have 0 to {}",
                                                request.request_id().size(), kMaxRequestIdChars));
}

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

absl::Status SubmitJobs::Check(const v1::SubmitJobsRequest& request) const {
  if (refusing_) return absl::UnavailableError("the daemon is stopping and takes no new jobs");
  absl::Status length = CheckLength("sweep_name", request.sweep_name(), kMaxSweepNameChars);
  if (!length.ok()) return length;
  if (IsNumber(request.sweep_name())) {
    return absl::InvalidArgumentError(
        fmt::format("sweep_name is {}, must not be a number: sweep:{} is the sweep with that id",
                    request.sweep_name(), request.sweep_name()));
  }
  if (absl::Status text = CheckText("sweep_name", request.sweep_name()); !text.ok()) return text;
  return CheckText("request_id", request.request_id());
}

absl::Status SubmitJobs::CheckIsKept() const {
  const std::string lost = storage_->Lost();
  if (lost.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("no jobs are taken, as they would be lost: {}; restart torchlapd (pid {})", lost,
                  ::getpid()));
}

absl::StatusOr<std::vector<storage::NewJob>> SubmitJobs::Admissible(
    const storage::Caller& caller, const v1::SubmitJobsRequest& request) const {
  if (absl::Status kept = CheckIsKept(); !kept.ok()) return kept;
  if (absl::Status size = CheckSize(request); !size.ok()) return size;
  if (absl::Status status = Check(request); !status.ok()) return status;
  return AdmitAll(request.jobs(), fleet_->devices(), caller, max_time_limit_ns_);
}

absl::Status SubmitJobs::CheckEverFits(const storage::Caller& caller,
                                       const v1::SubmitJobsRequest& request) const {
  return jobs_->CheckRoomOfAll(caller, AmountOf(request));
}

absl::Status SubmitJobs::Answer(const storage::Caller& caller, const v1::SubmitJobsRequest& request,
                                v1::SubmitJobsResponse* response) {
  if (absl::Status kept = CheckIsKept(); !kept.ok()) return kept;
  if (absl::Status size = CheckSize(request); !size.ok()) return size;
  absl::Status room = jobs_->CheckRoomFor(caller, request.request_id(), AmountOf(request));
  if (!room.ok()) return room;
  // Before all that follows: a retry gets its answer even where a new request would be refused.
  const std::string digest = RequestDigest(request);
  const auto earlier = jobs_->FindSubmitted(caller, request.request_id(), digest);
  if (!earlier.ok()) return earlier.status();
  if (*earlier) {
    Fill(**earlier, response);
    return absl::OkStatus();
  }
  const auto jobs = Admissible(caller, request);
  if (!jobs.ok()) return jobs.status();
  const auto submitted =
      jobs_->Submit(caller, request.request_id(), digest, request.sweep_name(), *jobs,
                    {std::random_device()(), request.shuffle()}, clock_->WallNs());
  if (!submitted.ok()) return submitted.status();
  spdlog::info("{} submitted sweep:{} with {} job{}", caller.name, submitted->sweep_id,
               jobs->size(), jobs->size() == 1 ? "" : "s");
  Fill(*submitted, response);
  hub_->EventsCommitted();
  fleet_->WakeAll();
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
