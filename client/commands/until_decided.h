// `compare --until-decided`: both sides again, interleaved, until there is a verdict.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "client/commands/commands.h"
#include "client/commands/compare_words.h"
#include "client/daemon_channel.h"
#include "client/format/compare.h"
#include "client/interrupts.h"
#include "torchlap/v1/history.pb.h"

namespace torchlap::client {

// Launches a side at which it is looked for a verdict: 4, 8, 16 and so on, the last `most`.
std::vector<uint32_t> LooksUpTo(uint32_t most);

// What each of so many looks may spend, so that of equal sides 5 % get a verdict at any of them.
// Pocock's idea (the same threshold at each look), solved for looks that double: 0.0160 for four.
// His own table, 0.0182, is for looks at equal distances; with it 5.6 % would.
double FalseAlarmRateOfALook(size_t looks);

struct UntilDecided {
  std::vector<format::Compared> cells;  // of the first comparison, with the verdicts of new runs
  format::Lines remarks;
  bool any_job_failed = false;
  // Ctrl-C: the exit code. What goes on has been said; there is nothing to print.
  std::optional<int> exit_code;
};

// Submits one sweep a look, of the cells that have no verdict yet, and follows it as `run` does.
// Verdicts come from those runs alone: both sides are run, as jobs that differ in what the sides
// differ in.
//
// Cells that only one side has:
// - With `by` they are run on both: the value of the axis makes the other job.
// - Where either side is a baseline they are run on both if the sides' jobs differ in the same way
//   in all cells that both have (device, execution, memory fraction): the other job is run as its
//   side's others are. Else it would be the same job twice, of which a verdict says nothing about
//   the side that lacks it; that goes for cells that a baseline never had, and for its own that
//   were never run since.
// - Else they are no part of what is compared.
//
// Those of them that are not run, and cells that cannot be run again (they failed, or what differs
// between the sides is not in their jobs), keep the answer `first`, `not comparable` or an earlier
// verdict, and are named in a remark; so are the sweeps that were submitted, and the command that
// compares them again where there is one (with `by`, or of at most 20 new jobs a side).
// FAILED_PRECONDITION: that is so of all. With `by`, where a value made no run at all, all keep it.
// `interrupts` were made before the channel.
absl::StatusOr<UntilDecided> RunUntilDecided(const CompareWords& words,
                                             const v1::CompareRunsResponse& first,
                                             const Console& console, Interrupts* interrupts,
                                             DaemonChannel* channel);

}  // namespace torchlap::client
