// What a warm-up comparison shows: the same workload measured after 0, 1, 2, 5, 10 warm-up steps,
// each in a fresh process. Pure: conditions and numbers, no words.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/measure/statistics.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

enum class WarmupClause {
  // Without warm-up the mean is `value` (a share) above that after the longest warm-up, which is
  // more than `threshold`. An interval that reaches down to 0: it cannot be told from it.
  kMeanInflated,
  // Without warm-up the standard deviation is `value` times that after the longest warm-up, which
  // is more than the `threshold` of an F test at 0.025.
  kStdInflated,
  // The first step of a process takes `value` times the steady ones (geometric mean over the
  // `count` of `of` runs whose times settle after it, to which `contaminated` belong), and more
  // than `threshold` times.
  kFirstStepSlow,
  // Times settle at step `steps` (the latest) in `count` of `of` runs.
  kSettles,
  // No run settles, of `of`.
  kNeverSettles,
  // From `steps` warm-up steps on no mean can be told from that after the longest warm-up, or lies
  // within `threshold` (a share) of it; with fewer one can. The largest difference of those is
  // `value`, with its interval; unset where only the longest is enough.
  kEnoughWarmup,
  // No mean can be told from that after the longest warm-up, or differs by more than `threshold` (a
  // share); the largest difference is `value`.
  kNoDifference,
};

struct WarmupFinding {
  WarmupClause clause = WarmupClause::kNoDifference;
  double value = 0;
  double threshold = 0;
  uint32_t steps = 0;
  uint32_t count = 0;
  uint32_t of = 0;                                  // runs that were looked at
  uint32_t contaminated = 0;                        // how many of those that it rests on are
  std::optional<Interval> interval = std::nullopt;  // of `value`, 95 %
};

// Of runs that ended OK, in any order; each with step, plan.warmup_steps (or actual_warmup_steps),
// settles_at_step and cold_steady_ratio as SummariseRun set them. Findings in the order of the
// clauses above. The reference is the run with most warm-up steps; `threshold` of a share is 1 %.
// The interval of a share is what the two means differ by in 5 % of cases by the noise of their
// steps (Student's t with effective numbers of steps, statistics.h), the half widths of both
// together. Where the times of a run settle, its noise is taken to be that of the reference: a cold
// start is none, so that the spread of steps with a cold start among them says nothing. Where they
// do not, or are too few to tell, its own spread counts. How processes differ from each other is
// not in it: one run of each number shows nothing of that. Empty: fewer than two numbers of
// warm-up steps. Several runs with one number count as one, with the median of their means and
// standard deviations.
std::vector<WarmupFinding> CompareWarmups(const std::vector<v1::Run>& runs);

}  // namespace torchlap::measure
