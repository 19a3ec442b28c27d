#include "client/commands/submission.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "client/exit_code.h"
#include "client/parse_words.h"
#include "client/unanswered.h"

namespace torchlap::client {
namespace {

// Whether the daemon may have taken a request that ended so.
bool MayHaveArrived(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

absl::StatusOr<v1::SubmitJobsResponse> Send(const v1::SubmitJobsRequest& request,
                                            DaemonChannel* channel) {
  auto response = channel->SubmitJobs(request);
  if (response.status().code() != absl::StatusCode::kUnavailable) return response;
  if (!channel->Reopen().ok()) return response;
  return channel->SubmitJobs(request);
}

// `sweep:3` is the sweep with that id.
absl::Status CheckName(const std::string& name) {
  if (absl::Status status = CheckVisible("--name", name); !status.ok()) return status;
  if (name.empty() || name.find_first_not_of("0123456789") != std::string::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format(
      "--name is {0}, must not be a number: sweep:{0} is the sweep with that id", name));
}

// `sweep:3, jobs 17 to 19`.
std::string IdsWords(const v1::SubmitJobsResponse& submitted) {
  const int jobs = submitted.job_ids_size();
  std::string ids = jobs == 0 ? "" : fmt::format(", job {}", submitted.job_ids(0));
  if (jobs > 1) {
    ids = fmt::format(", jobs {} to {}", submitted.job_ids(0), submitted.job_ids(jobs - 1));
  }
  return fmt::format("sweep:{}{}", submitted.sweep_id(), ids);
}

}  // namespace

absl::StatusOr<v1::SubmitJobsResponse> SubmitOnce(v1::SubmitJobsRequest request,
                                                  DaemonChannel* channel) {
  if (absl::Status name = CheckName(request.sweep_name()); !name.ok()) return name;
  UnansweredRequest unanswered(UnansweredFolder(), channel->address(), request);
  request.set_request_id(unanswered.id());
  auto response = Send(request, channel);
  if (!MayHaveArrived(response.status())) {
    unanswered.Forget();
    return response;
  }
  return WithRemark(response.status(), unanswered.is_kept()
                                           ? "it may have been accepted: the same command again "
                                             "within 10 minutes makes no second sweep"
                                           : "it may have been accepted: torchlap sweeps");
}

std::string StartLine(const v1::SubmitJobsResponse& submitted) {
  const int cells = submitted.job_ids_size();
  return fmt::format("{}: {} {}", IdsWords(submitted), cells, cells == 1 ? "cell" : "cells");
}

std::string SubmittedWords(const v1::SubmitJobsResponse& submitted) {
  return "submitted all the same: " + IdsWords(submitted);
}

}  // namespace torchlap::client
