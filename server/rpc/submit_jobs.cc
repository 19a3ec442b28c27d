#include "server/rpc/submit_jobs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "server/measure/identity.h"
#include "server/rpc/job_admission.h"

namespace torchlap::rpc {
namespace {

constexpr int kMaxJobs = 10000;
constexpr size_t kMaxRequestIdChars = 128;
constexpr size_t kMaxSweepNameChars = 100;

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

bool IsPrintable(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
}

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

absl::Status SubmitJobs::Check(const v1::SubmitJobsRequest& request) const {
  if (refusing_) return absl::UnavailableError("the daemon is stopping and takes no new jobs");
  if (request.jobs_size() < 1 || request.jobs_size() > kMaxJobs) {
    return absl::InvalidArgumentError(
        fmt::format("jobs has {} entries, must have 1 to {}", request.jobs_size(), kMaxJobs));
  }
  if (request.request_id().size() > kMaxRequestIdChars) {
    return absl::InvalidArgumentError(fmt::format("request_id has {} characters, must have 0 to {}",
                                                  request.request_id().size(), kMaxRequestIdChars));
  }
  if (request.sweep_name().size() > kMaxSweepNameChars) {
    return absl::InvalidArgumentError(fmt::format("sweep_name has {} characters, must have 0 to {}",
                                                  request.sweep_name().size(), kMaxSweepNameChars));
  }
  if (IsNumber(request.sweep_name())) {
    return absl::InvalidArgumentError(
        fmt::format("sweep_name is {}, must not be a number: sweep:{} is the sweep with that id",
                    request.sweep_name(), request.sweep_name()));
  }
  if (!IsPrintable(request.sweep_name())) {
    return absl::InvalidArgumentError("sweep_name has a control character, must have none");
  }
  return absl::OkStatus();
}

absl::Status SubmitJobs::Answer(const storage::Caller& caller, const v1::SubmitJobsRequest& request,
                                v1::SubmitJobsResponse* response) {
  if (const std::string lost = storage_->Lost(); !lost.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("no jobs are taken, as they would be lost: {}; restart torchlapd (pid {})",
                    lost, ::getpid()));
  }
  // First of all else: a retry gets its answer even where a new request would be refused.
  const std::string digest = RequestDigest(request);
  const auto earlier = jobs_->FindSubmitted(caller, request.request_id(), digest);
  if (!earlier.ok()) return earlier.status();
  if (*earlier) {
    Fill(**earlier, response);
    return absl::OkStatus();
  }
  if (absl::Status status = Check(request); !status.ok()) return status;
  std::vector<storage::NewJob> jobs;
  jobs.reserve(static_cast<size_t>(request.jobs_size()));
  for (const v1::JobSpec& spec : request.jobs()) {
    auto job = Admit(spec, fleet_->devices(), caller);
    if (!job.ok()) return job.status();
    jobs.push_back(*std::move(job));
  }
  const auto submitted =
      jobs_->Submit(caller, request.request_id(), digest, request.sweep_name(), jobs,
                    {std::random_device()(), request.shuffle()}, clock_->WallNs());
  if (!submitted.ok()) return submitted.status();
  Fill(*submitted, response);
  hub_->EventsCommitted();
  fleet_->WakeAll();
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
