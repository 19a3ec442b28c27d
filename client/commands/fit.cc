#include "client/format/fit.h"

#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/commands/results.h"
#include "client/experiments.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const FitOptions& options, const Invocation& invocation) {
  auto request = BuildFit(options.sweep, options.axis);
  if (!request.ok()) return request.status();
  auto output = ChooseOutput(options.output, format::Content::kResult);
  if (!output.ok()) return output.status();
  FollowOptions follow;
  follow.run_line = format::TryLine;
  const auto report = [&](const v1::SubmitJobsResponse& submitted, DaemonChannel* channel) {
    const auto job = FetchJob(submitted.job_ids(0), channel);
    if (!job.ok()) return job.status();
    const auto find_devices = [&] {
      return FetchDeviceNotes({job->runs().begin(), job->runs().end()}, channel);
    };
    return WriteOutputAndTable(*output, invocation.console, format::ShowFit(*job, find_devices));
  };
  return SubmitAndFollow(*std::move(request), follow, options.output, invocation, report);
}

}  // namespace torchlap::client
