#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/experiments.h"
#include "client/format/calibration.h"

namespace torchlap::client {
namespace {

// A calibration that failed has nothing to print but why.
absl::Status Print(const v1::Job& job, const Output& output, const Console& console) {
  for (const v1::Run& run : job.runs()) {
    if (run.outcome() != v1::OUTCOME_OK) continue;
    return WriteOutputAndTable(output, console, format::ShowCalibration(run));
  }
  *console.err << "nothing was calibrated: "
               << (job.reason().empty() ? "the job has no run that ended OK" : job.reason())
               << '\n';
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Execute(const CalibrateOptions& options, const Invocation& invocation) {
  auto request = BuildCalibration(options.sweep, options.matrix_size);
  if (!request.ok()) return request.status();
  auto output = ChooseOutput(options.output, format::Content::kResult);
  if (!output.ok()) return output.status();
  const auto report = [&](const v1::SubmitJobsResponse& submitted, DaemonChannel* channel) {
    const auto job = FetchJob(submitted.job_ids(0), channel);
    if (!job.ok()) return job.status();
    return Print(*job, *output, invocation.console);
  };
  return SubmitAndFollow(*std::move(request), {}, invocation, report);
}

}  // namespace torchlap::client
