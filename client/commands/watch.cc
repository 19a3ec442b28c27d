#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/commands/job_choice.h"
#include "client/commands/results.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/interrupts.h"

namespace torchlap::client {

absl::StatusOr<int> Execute(const WatchOptions& options, const Invocation& invocation) {
  auto selection = ParseJobSelectors(options.selectors);
  if (!selection.ok()) return selection.status();
  auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();

  Interrupts interrupts;
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  auto selector = ChooseJobs(*selection, {}, channel->get());
  if (!selector.ok()) return selector.status();

  SweepProgress progress;
  ProgressDisplay display(invocation.console);
  auto end = Follow(*selector, {}, channel->get(), &interrupts, &progress, &display);
  display.Clear();
  if (!end.ok()) return end.status();
  if (*end == FollowEnd::kInterrupted) {
    *invocation.console.err << DetachedLine(options.selectors, progress.first_job(),
                                            options.output);
    return interrupts.exit_code();
  }

  interrupts.LetThemEnd();
  v1::RunFilter filter;
  for (const uint64_t id : progress.job_ids()) filter.mutable_selector()->add_job_ids(id);
  const absl::Status printed =
      PrintResultsAndTable(filter, *output, invocation.console, channel->get());
  if (!printed.ok()) return printed;
  return progress.failed() == 0 ? kExitOk : kExitJobFailed;
}

}  // namespace torchlap::client
