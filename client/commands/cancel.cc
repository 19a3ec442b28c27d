#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "client/commands/commands.h"
#include "client/commands/job_choice.h"
#include "client/commands/unreadable.h"
#include "client/exit_code.h"
#include "client/format/listing.h"

namespace torchlap::client {
namespace {

// The daemon takes 10,000 ids a request; less holds up others' writes for less long.
constexpr int kIdsInARequest = 5000;

std::vector<v1::CancelJobsRequest> Pieces(const v1::CancelJobsRequest& whole) {
  if (whole.selector().job_ids_size() <= kIdsInARequest) return {whole};
  std::vector<v1::CancelJobsRequest> pieces;
  const auto& ids = whole.selector().job_ids();
  for (int begin = 0; begin < ids.size(); begin += kIdsInARequest) {
    v1::CancelJobsRequest& piece = pieces.emplace_back();
    piece.set_user(whole.user());
    const int end = std::min(begin + kIdsInARequest, ids.size());
    piece.mutable_selector()->mutable_job_ids()->Add(ids.begin() + begin, ids.begin() + end);
  }
  return pieces;
}

// All pieces' answers as one. What was cancelled before an error stays so, and is said.
absl::StatusOr<v1::CancelJobsResponse> CancelAll(const v1::CancelJobsRequest& request,
                                                 const Console& console, DaemonChannel* channel) {
  v1::CancelJobsResponse all;
  for (const v1::CancelJobsRequest& piece : Pieces(request)) {
    auto response = channel->CancelJobs(piece);
    if (response.ok()) {
      all.MergeFrom(*response);
      continue;
    }
    const int ended = all.cancelled_job_ids_size() + all.cancelling_job_ids_size();
    if (ended > 0) *console.err << fmt::format("{} jobs were cancelled before this error\n", ended);
    return response.status();
  }
  return all;
}

// A user's jobs alone need no selector.
absl::StatusOr<v1::CancelJobsRequest> RequestOf(const CancelOptions& options,
                                                DaemonChannel* channel) {
  v1::CancelJobsRequest request;
  if (options.user) request.set_user(*options.user);
  if (options.selectors.empty()) return request;
  auto selection = ParseJobSelectors(options.selectors);
  if (!selection.ok()) return selection.status();
  auto selector = ChooseJobs(*selection, {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING}, channel);
  if (!selector.ok()) return selector.status();
  *request.mutable_selector() = *std::move(selector);
  return request;
}

}  // namespace

absl::StatusOr<int> Execute(const CancelOptions& options, const Invocation& invocation) {
  if (options.selectors.empty() && options.user.value_or("").empty()) {
    // `last` would be too easy to hit.
    return absl::InvalidArgumentError(
        "cancel needs a selector: a job (17), sweep:3, sweep:NAME, last or label:k=v; or --user "
        "NAME");
  }
  if (auto selection = ParseJobSelectors(options.selectors); !selection.ok()) {
    return selection.status();
  }
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();

  auto request = RequestOf(options, channel->get());
  if (!request.ok()) return request.status();
  auto response = CancelAll(*request, invocation.console, channel->get());
  SayUnreadable(**channel, invocation.console);
  if (!response.ok()) return response.status();
  const absl::Status written =
      WriteOutput(*output, invocation.console, format::ListCancelled(*response));
  if (!written.ok()) {
    return WithRemark(written, fmt::format("cancelled all the same: {} queued, {} running",
                                           response->cancelled_job_ids_size(),
                                           response->cancelling_job_ids_size()));
  }
  return kExitOk;
}

}  // namespace torchlap::client
