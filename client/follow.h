// Following jobs to their end, over restarts of the daemon.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <string>

#include "client/daemon_channel.h"
#include "client/interrupts.h"
#include "client/progress.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

enum class FollowEnd { kFinished, kInterrupted, kTimedOut };

struct FollowOptions {
  Deadline deadline;
  // How long a lost daemon is looked for, and the pause between two tries.
  std::chrono::milliseconds patience = std::chrono::seconds(60);
  std::chrono::milliseconds retry_pause = std::chrono::milliseconds(250);
  // A line for each run that ends, instead of one for each job. Unset: a line for each job.
  std::function<std::string(const v1::Run&)> run_line;
};

// Takes every change into *progress and shows it, until all jobs are finished. A broken stream is
// resumed after the last change that was seen; `last` and names mean what they meant at the start.
// UNAVAILABLE: the daemon did not come back. NOT_FOUND: the selector names nothing.
absl::StatusOr<FollowEnd> Follow(const v1::Selector& selector, const FollowOptions& options,
                                 DaemonChannel* channel, Interrupts* interrupts,
                                 SweepProgress* progress, ProgressDisplay* display);

}  // namespace torchlap::client
