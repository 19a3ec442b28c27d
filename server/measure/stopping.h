// When a run is warm, and when enough of its steps were measured. Asked by the worker between two
// steps, outside their clocks: microseconds a step, and no allocation that grows with the run
// beyond 8 bytes a step. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::measure {

// Whether the warm-up is over. Plan.warmup_until_settled false: after exactly warmup_steps.
//
// True: after at least warmup_steps steps that took at least min_warmup_ns, as soon as the times
// have settled: the median of the last three steps differs from the median of the three before by
// no more than 2 % of it, or twice the standard error of such a difference, whichever is more (the
// spread is 1.4826 times the median distance of the six from the median of their own three, so
// that a slope does not count as spread). Times that never settle end the warm-up after
// 10 x warmup_steps + 100 steps; min_warmup_ns is kept even then.
class WarmupRule {
 public:
  explicit WarmupRule(const v1::Plan& plan);
  bool done() const { return done_; }  // also before the first step (warmup_steps 0)
  void Add(int64_t step_ns);           // time of the next warm-up step

 private:
  bool Settled() const;

  const bool until_settled_;
  const uint64_t least_steps_;
  const uint64_t most_steps_;  // to wait for times to settle
  const int64_t least_ns_;
  bool done_;
  uint64_t steps_ = 0;
  int64_t total_ns_ = 0;
  std::vector<double> last_;  // at most six, oldest first
};

// When to stop measuring. Plan.target_precision unset: after exactly measure_steps
// (STOP_REASON_COUNT).
//
// Set: the 95 % interval of the mean (HalfWidthOfMean in statistics.h) is looked at from
// measure_steps steps on (never below 10), and then each time that their number has grown by a
// tenth: every look is a chance to stop on steps that happen to agree, so there are few.
//   REACHED  half width / mean is at most the target.
//   SETTLED  from 30 steps on: at two looks in a row the steps that the target needs,
//            n (half width / (target x mean))^2, are more than max_steps even if the noise is
//            smaller by two of its own standard errors, and no larger than 1.4826 x MAD (outliers
//            fade with more steps), and the CV changed by less than a tenth between the two.
//   LIMIT    max_steps steps, or max_measure_ns of step time (1000 and 5 minutes where unset).
class StoppingRule {
 public:
  explicit StoppingRule(const v1::Plan& plan);
  // The time of the next measured step. UNSPECIFIED: go on.
  v1::StopReason Add(int64_t step_ns);

 private:
  v1::StopReason Look();
  bool NoiseSettled(double half_width, double mean);

  const std::optional<double> target_;
  const uint64_t least_steps_;
  const uint64_t most_steps_;
  const int64_t most_ns_;
  uint64_t next_look_;
  uint64_t steps_ = 0;
  int64_t total_ns_ = 0;
  std::vector<double> times_;          // with a target only
  std::optional<double> hopeless_cv_;  // of the look before, if the target was out of reach then
};

}  // namespace torchlap::measure
