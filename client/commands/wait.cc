#include <fmt/format.h>

#include <chrono>

#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/commands/job_choice.h"
#include "client/commands/traces.h"
#include "client/commands/unreadable.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/interrupts.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

absl::StatusOr<Deadline> DeadlineOf(const std::optional<std::string>& timeout) {
  if (!timeout) return Deadline();
  auto duration = ParseDuration("--timeout", *timeout);
  if (!duration.ok()) return duration.status();
  using Clock = std::chrono::system_clock;
  return Deadline(Clock::now() + std::chrono::duration_cast<Clock::duration>(*duration));
}

void Say(const SweepProgress& progress, const char* what, const Console& console) {
  *console.err << fmt::format("{}: {} of {} jobs finished, {}\n", what, progress.done(),
                              progress.total(), UnsuccessfulWords(progress));
}

}  // namespace

absl::StatusOr<int> Execute(const WaitOptions& options, const Invocation& invocation) {
  auto selection = ParseJobSelectors(options.selectors);
  if (!selection.ok()) return selection.status();
  FollowOptions follow;
  auto deadline = DeadlineOf(options.timeout);
  if (!deadline.ok()) return deadline.status();
  follow.deadline = *deadline;
  if (options.trace) {
    if (absl::Status made = MakeTraceFolder(*options.trace); !made.ok()) return made;
  }

  Interrupts interrupts;
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  auto selector = ChooseJobs(*selection, {}, channel->get());
  if (!selector.ok()) return selector.status();

  SweepProgress progress;
  ProgressDisplay display(invocation.console, /*quiet=*/true);
  auto end = Follow(*selector, follow, channel->get(), &interrupts, &progress, &display);
  if (!end.ok()) return end.status();
  if (*end == FollowEnd::kInterrupted) {
    *invocation.console.err << DetachedLine(options.selectors, progress.first_job(), {});
    return interrupts.exit_code();
  }
  if (*end == FollowEnd::kTimedOut) {
    Say(progress, "timed out", invocation.console);
    return kExitTimedOut;
  }
  if (options.trace) {
    const absl::Status traced =
        FetchTraces(*selector, *options.trace, invocation.console, channel->get());
    if (!traced.ok()) return traced;
  }
  if (progress.failed() > 0) {
    SayUnreadable(**channel, invocation.console);
    Say(progress, "done", invocation.console);
    return kExitJobFailed;
  }
  // What became of those nobody knows: whoever relies on the exit status must not go on.
  const absl::Status damaged = CheckUnreadable(**channel);
  if (!damaged.ok()) return damaged;
  return kExitOk;
}

}  // namespace torchlap::client
