#include <fmt/format.h>

#include <chrono>

#include "client/commands/commands.h"
#include "client/commands/results.h"
#include "client/commands/submission.h"
#include "client/commands/traces.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/interrupts.h"

namespace torchlap::client {
namespace {

// Within this time a second Ctrl-C cancels (cli.md).
constexpr std::chrono::seconds kSecondInterrupt{3};

v1::Selector SweepSelector(uint64_t sweep_id) {
  v1::Selector selector;
  selector.add_sweep_ids(sweep_id);
  return selector;
}

void CancelSweep(uint64_t sweep_id, const Console& console, Connection* connection) {
  v1::CancelJobsRequest request;
  *request.mutable_selector() = SweepSelector(sweep_id);
  const auto response = connection->CancelJobs(request);
  if (!response.ok()) {
    *console.err << "torchlap: " << OneLine(response.status()) << '\n';
    return;
  }
  *console.err << fmt::format("cancelled sweep:{} ({} queued, {} running)\n", sweep_id,
                              response->cancelled_job_ids_size(),
                              response->cancelling_job_ids_size());
}

int Detach(uint64_t sweep_id, const Console& console, Interrupts* interrupts,
           Connection* connection) {
  *console.err << fmt::format(
                      "detached: sweep:{0} goes on; follow it: torchlap watch sweep:{0}; cancel "
                      "it: torchlap cancel sweep:{0}, or Ctrl-C again within {1} s\n",
                      sweep_id, kSecondInterrupt.count())
               << std::flush;
  if (interrupts->WaitForSecond(kSecondInterrupt)) CancelSweep(sweep_id, console, connection);
  return kExitInterrupted;
}

// A daemon that does not come back leaves the user with a sweep to look for.
absl::Status WithSweep(const absl::Status& status, uint64_t sweep_id) {
  if (status.code() != absl::StatusCode::kUnavailable) return status;
  return absl::UnavailableError(
      fmt::format("{}; sweep:{} stays queued, follow it later: torchlap watch sweep:{}",
                  OneLine(status), sweep_id, sweep_id));
}

}  // namespace

absl::StatusOr<int> Execute(const RunOptions& options, const Invocation& invocation) {
  auto request = BuildSweep(options.sweep);
  if (!request.ok()) return request.status();
  auto output = ChooseOutput(options.output, RunFormats());
  if (!output.ok()) return output.status();
  if (options.sweep.trace) {
    if (absl::Status made = MakeTraceFolder(*options.sweep.trace); !made.ok()) return made;
  }

  Interrupts interrupts;
  auto connection = Connection::Open(invocation.address);
  if (!connection.ok()) return connection.status();
  auto submitted = SubmitOnce(*std::move(request), connection->get());
  if (!submitted.ok()) return submitted.status();
  const uint64_t sweep_id = submitted->sweep_id();

  const Console& console = invocation.console;
  SweepProgress progress;
  ProgressDisplay display(console);
  auto end =
      Follow(SweepSelector(sweep_id), {}, connection->get(), &interrupts, &progress, &display);
  display.Clear();
  if (!end.ok()) return WithSweep(end.status(), sweep_id);
  if (*end == FollowEnd::kInterrupted) {
    return Detach(sweep_id, console, &interrupts, connection->get());
  }
  interrupts.LetThemEnd();
  v1::RunFilter filter;
  *filter.mutable_selector() = SweepSelector(sweep_id);
  const absl::Status printed = PrintResults(filter, *output, console, connection->get());
  if (!printed.ok()) return printed;
  if (options.sweep.trace) {
    const absl::Status traced =
        FetchTraces(SweepSelector(sweep_id), *options.sweep.trace, console, connection->get());
    if (!traced.ok()) return traced;
  }
  return progress.failed() == 0 ? kExitOk : kExitJobFailed;
}

}  // namespace torchlap::client
