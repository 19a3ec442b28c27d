// What `run`, `warmup`, `fit` and `calibrate` do: submit a sweep, follow it to its end, print what
// came of it.
#pragma once

#include <absl/status/statusor.h>

#include <functional>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/follow.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// Prints the results of a sweep whose jobs are all finished.
using ReportSweep =
    std::function<absl::Status(const v1::SubmitJobsResponse& submitted, DaemonChannel* channel)>;

// Submits, shows progress until all jobs are finished, and calls `report`. The first Ctrl-C
// detaches (and says how to go on), a second one within 3 s cancels the sweep. Returns the exit
// code: 0, 2 if a job failed, 130 after Ctrl-C. UNAVAILABLE names the sweep that stays queued.
absl::StatusOr<int> SubmitAndFollow(v1::SubmitJobsRequest request, const FollowOptions& options,
                                    const Invocation& invocation, const ReportSweep& report);

// The selector of the sweep alone.
v1::Selector SweepSelector(uint64_t sweep_id);

// A job of a sweep, with its runs.
absl::StatusOr<v1::Job> FetchJob(uint64_t job_id, DaemonChannel* channel);

}  // namespace torchlap::client
