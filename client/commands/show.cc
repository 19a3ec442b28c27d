#include "client/format/show.h"

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"

namespace torchlap::client {
namespace {

absl::Status ShowJob(uint64_t job_id, const Output& output, const Console& console,
                     DaemonChannel* channel) {
  v1::GetJobRequest request;
  request.set_job_id(job_id);
  auto response = channel->GetJob(request);
  if (!response.ok()) return response.status();
  return WriteOutput(output, console, format::ShowJob(response->job()));
}

absl::Status ShowRun(const std::string& run_id, const Output& output, const Console& console,
                     DaemonChannel* channel) {
  v1::GetRunRequest request;
  request.set_run_id(run_id);
  format::RunDetails run;
  const absl::Status status = channel->GetRun(request, [&run](const v1::GetRunResponse& part) {
    if (part.has_detail()) run.detail = part.detail();
    if (part.has_samples()) run.samples.push_back(part.samples());
  });
  if (!status.ok()) return status;
  return WriteOutput(output, console, format::ShowRun(run));
}

}  // namespace

absl::StatusOr<int> Execute(const ShowOptions& options, const Invocation& invocation) {
  auto id = ParseId(options.id);
  if (!id.ok()) return id.status();
  auto output = ChooseOutput(options.output, format::Content::kDetails);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const absl::Status shown = id->run_id.empty()
                                 ? ShowJob(id->job_id, *output, invocation.console, channel->get())
                                 : ShowRun(id->run_id, *output, invocation.console, channel->get());
  if (!shown.ok()) return shown;
  return kExitOk;
}

}  // namespace torchlap::client
