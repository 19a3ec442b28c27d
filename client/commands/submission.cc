#include "client/commands/submission.h"

#include <fmt/format.h>

#include <cstdint>
#include <random>

namespace torchlap::client {
namespace {

std::string RandomId() {
  std::random_device source;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", source(), source(), source(), source());
}

}  // namespace

absl::StatusOr<v1::SubmitJobsResponse> SubmitOnce(v1::SubmitJobsRequest request,
                                                  DaemonChannel* channel) {
  request.set_request_id(RandomId());
  auto response = channel->SubmitJobs(request);
  if (response.status().code() != absl::StatusCode::kUnavailable) return response;
  if (!channel->Reopen().ok()) return response;
  return channel->SubmitJobs(request);
}

std::string SubmittedWords(const v1::SubmitJobsResponse& submitted) {
  const int jobs = submitted.job_ids_size();
  std::string ids = jobs == 0 ? "" : fmt::format(", job {}", submitted.job_ids(0));
  if (jobs > 1) {
    ids = fmt::format(", jobs {} to {}", submitted.job_ids(0), submitted.job_ids(jobs - 1));
  }
  return fmt::format("submitted all the same: sweep:{}{}", submitted.sweep_id(), ids);
}

}  // namespace torchlap::client
