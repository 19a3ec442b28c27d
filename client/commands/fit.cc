#include "client/format/fit.h"

#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
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
    return WriteOutput(*output, invocation.console, format::ShowFit(*job));
  };
  return SubmitAndFollow(*std::move(request), follow, invocation, report);
}

}  // namespace torchlap::client
