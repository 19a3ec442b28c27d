#include "client/commands/commands.h"
#include "client/commands/job_choice.h"
#include "client/exit_code.h"
#include "client/format/listing.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const QueueOptions& options, const Invocation& invocation) {
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();

  v1::ListJobsRequest request;
  request.add_states(v1::JOB_STATE_QUEUED);
  request.add_states(v1::JOB_STATE_RUNNING);
  auto jobs = ListAllJobs(request, channel->get());
  if (!jobs.ok()) return jobs.status();
  if (jobs->empty()) *invocation.console.err << "the queue is empty\n";
  const absl::Status written = WriteOutput(*output, invocation.console, format::ListQueue(*jobs));
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
