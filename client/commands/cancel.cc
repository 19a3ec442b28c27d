#include <fmt/format.h>

#include "client/commands/commands.h"
#include "client/commands/job_choice.h"
#include "client/exit_code.h"
#include "client/format/listing.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const CancelOptions& options, const Invocation& invocation) {
  if (options.selectors.empty()) {
    // `last` would be too easy to hit.
    return absl::InvalidArgumentError(
        "cancel needs a selector: a job (17), sweep:3, sweep:NAME, last or label:k=v");
  }
  auto selection = ParseJobSelectors(options.selectors);
  if (!selection.ok()) return selection.status();
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();

  auto selector =
      ChooseJobs(*selection, {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING}, channel->get());
  if (!selector.ok()) return selector.status();
  v1::CancelJobsRequest request;
  *request.mutable_selector() = *selector;
  auto response = (*channel)->CancelJobs(request);
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
