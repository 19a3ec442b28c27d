// What a warm-up comparison shows: the same workload measured after 0, 1, 2, 5, 10 warm-up steps,
// each in a fresh process. Pure: conditions and numbers, no words.
#pragma once

#include <cstdint>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

enum class WarmupClause {
  // Without warm-up the mean is `value` (a share) above that after the longest warm-up, which is
  // more than `threshold`.
  kMeanInflated,
  // Without warm-up the standard deviation is `value` times that after the longest warm-up, which
  // is more than the `threshold` of an F test at 0.025.
  kStdInflated,
  // The first step of a process takes `value` times the steady ones (median over `count` runs), and
  // more than `threshold` times.
  kFirstStepSlow,
  // Times settle at step `steps` (the latest) in `count` of `of` runs.
  kSettles,
  // No run settles, of `of`.
  kNeverSettles,
  // From `steps` warm-up steps on the mean lies within `threshold` (a share) of that after the
  // longest warm-up; with fewer it does not. Only beside kMeanInflated or another mean that is off.
  kEnoughWarmup,
  // No mean differs from that after the longest warm-up by more than `threshold` (a share); the
  // largest difference is `value`.
  kNoDifference,
};

struct WarmupFinding {
  WarmupClause clause = WarmupClause::kNoDifference;
  double value = 0;
  double threshold = 0;
  uint32_t steps = 0;
  uint32_t count = 0;
  uint32_t of = 0;
};

// Of runs that ended OK, in any order; each with step, plan.warmup_steps (or actual_warmup_steps),
// settles_at_step and cold_steady_ratio as SummariseRun set them. Findings in the order of the
// clauses above. The reference is the run with most warm-up steps; `threshold` of a share is the
// larger of 1 % and what two means of that run's steps differ by in 5 % of cases (1.96 std
// sqrt(2 / n) / mean). Empty: fewer than two numbers of warm-up steps. Several runs with one number
// count as one, with the median of their means and standard deviations.
std::vector<WarmupFinding> CompareWarmups(const std::vector<v1::Run>& runs);

}  // namespace torchlap::measure
