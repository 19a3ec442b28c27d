#include "client/axes.h"
#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/commands/known_already.h"
#include "client/commands/results.h"
#include "client/commands/suite_run.h"
#include "client/commands/traces.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const RunOptions& options, const Invocation& invocation) {
  if (options.sweep.file) return RunSuiteFile(options, invocation);
  auto request = BuildSweep(options.sweep);
  if (!request.ok()) return request.status();
  const auto since_ns = ParseReuse(options.known, options.sweep);
  if (!since_ns.ok()) return since_ns.status();
  if (options.known.dry_run) return DryRun(*request, *since_ns, options.output, invocation);
  auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();
  if (options.known.reuse) {
    return RunWhatIsLeft(*std::move(request), *since_ns, options, *output, invocation);
  }
  const std::optional<std::string>& trace_folder = options.sweep.trace;
  if (trace_folder) {
    if (absl::Status made = MakeTraceFolder(*trace_folder); !made.ok()) return made;
  }
  const auto report = [&](const v1::SubmitJobsResponse& submitted, DaemonChannel* channel) {
    v1::RunFilter filter;
    *filter.mutable_selector() = SweepSelector(submitted.sweep_id());
    absl::Status status = PrintResultsAndTable(filter, *output, invocation.console, channel);
    if (!status.ok() || !trace_folder) return status;
    return FetchTraces(filter.selector(), *trace_folder, invocation.console, channel);
  };
  return SubmitAndFollow(*std::move(request), {}, options.output, invocation, report);
}

}  // namespace torchlap::client
