#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/experiments.h"
#include "client/format/calibration.h"

namespace torchlap::client {
namespace {

// The run whose peaks the daemon uses: the last one that nobody disturbed. Where all were
// disturbed, the last of them; nothing: none ended OK.
const v1::Run* Calibrated(const v1::Job& job) {
  const v1::Run* last = nullptr;
  for (const v1::Run& run : job.runs()) {
    if (run.outcome() != v1::OUTCOME_OK) continue;
    const bool is_disturbed = run.validity() == v1::VALIDITY_CONTAMINATED;
    if (last == nullptr || !is_disturbed || last->validity() == v1::VALIDITY_CONTAMINATED) {
      last = &run;
    }
  }
  return last;
}

// A calibration that failed has nothing to print but why.
absl::Status Print(const v1::Job& job, const Output& output, const Console& console) {
  if (const v1::Run* run = Calibrated(job)) {
    return WriteOutputAndTable(output, console, format::ShowCalibration(*run));
  }
  SayLine(console, "nothing was calibrated: " +
                       (job.reason().empty() ? "the job has no run that ended OK" : job.reason()));
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
  return SubmitAndFollow(*std::move(request), {}, options.output, invocation, report);
}

}  // namespace torchlap::client
