// What `run`, `warmup`, `fit` and `calibrate` do: submit a sweep, follow it to its end, print what
// came of it.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/follow.h"
#include "client/interrupts.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// Prints the results of a sweep whose jobs are all finished.
using ReportSweep =
    std::function<absl::Status(const v1::SubmitJobsResponse& submitted, DaemonChannel* channel)>;

// Submits, says what was submitted, shows progress until all jobs are finished, and calls `report`.
// The first Ctrl-C detaches (and says how to go on, and how to write `output`'s file), a second one
// within 3 s cancels the sweep; SIGTERM detaches alone. Returns the exit code: 0, 2 if a job
// failed, 130 after Ctrl-C, 143 after SIGTERM. Every error names the sweep once there is one, and
// how to go on with it.
absl::StatusOr<int> SubmitAndFollow(v1::SubmitJobsRequest request, const FollowOptions& options,
                                    const OutputWords& output, const Invocation& invocation,
                                    const ReportSweep& report);

struct FollowedJobs {
  size_t failed_jobs = 0;
  // 130 or 143: they were detached from, which has been said, or cancelled.
  std::optional<int> exit_code;
};

// Follows sweeps that were submitted to their end, all at once, as SubmitAndFollow does. `compare`:
// the command that compares them, which Ctrl-C names; empty: none.
absl::StatusOr<FollowedJobs> FollowSweeps(const std::vector<uint64_t>& sweep_ids,
                                          const FollowOptions& options, const OutputWords& output,
                                          const Console& console, Interrupts* interrupts,
                                          DaemonChannel* channel, const std::string& compare = "");

struct FollowedSweep {
  v1::SubmitJobsResponse submitted;
  size_t failed_jobs = 0;
  // 130 or 143: it was detached from, which has been said, or cancelled.
  std::optional<int> exit_code;
};

// The same up to the report, for who submits several sweeps one after another: `interrupts` were
// made before the channel.
absl::StatusOr<FollowedSweep> SubmitAndFollowOn(v1::SubmitJobsRequest request,
                                                const FollowOptions& options,
                                                const OutputWords& output, const Console& console,
                                                Interrupts* interrupts, DaemonChannel* channel);

// What Ctrl-C leaves, and how to go on: `detached: WHAT; follow it: torchlap watch SELECTORS; ...`,
// without an end. The file that was to be written is not: which command writes it.
std::string DetachedWords(const std::string& what, const std::string& selectors,
                          const OutputWords& output);

// The same of sweeps that go on. `compare`: as FollowSweeps has it.
std::string SweepsDetachedWords(const std::vector<uint64_t>& sweep_ids, const OutputWords& output,
                                const std::string& compare);

// The same for jobs that were chosen and not submitted here. `typed`: as the user chose them; what
// may mean others tomorrow (`last`) becomes the sweep of `job`.
std::string DetachedLine(const std::vector<std::string>& typed, const std::optional<v1::Job>& job,
                         const OutputWords& output);

// Behind the error of a result that could not be printed: `sweep:3 has ended all the same, print it
// again: torchlap export sweep:3`.
std::string SweepEndedWords(uint64_t sweep_id);

// The selector of the sweep alone.
v1::Selector SweepSelector(uint64_t sweep_id);

// `sweep:3 sweep:4`: the selectors of these sweeps.
std::string SweepWordsOf(const std::vector<uint64_t>& sweep_ids);

// Cancels them, each with a line of what came of it.
void CancelSweeps(const std::vector<uint64_t>& sweep_ids, const Console& console,
                  DaemonChannel* channel);

// A job of a sweep, with its runs.
absl::StatusOr<v1::Job> FetchJob(uint64_t job_id, DaemonChannel* channel);

}  // namespace torchlap::client
