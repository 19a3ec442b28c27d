// What a job would take, from arithmetic and from runs that were. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "torchlap/v1/workload.pb.h"

namespace torchlap::measure {

// What a step must hold at once at the least: weights, gradients and optimizer state, or weights,
// optimizer state and the logits, whichever is more. Activations come on top, so that to be above
// it is no promise to fit. Saturates.
uint64_t LeastHeldBytes(const v1::Workload& workload);

// A run that ended OK.
struct TimedRun {
  v1::Precision precision = v1::PRECISION_UNSPECIFIED;
  double step_flops = 0;
  double steps = 0;
  double step_mean_ns = 0;
  double duration_ns = 0;
};

struct TimeEstimate {
  double launch_ns = 0;  // of one launch, worker start included
  uint32_t runs = 0;     // that it is based on
};

// By runs of the same workload on the device, best of the same series: the median of what they took
// beside their steps, and of their step means. Nothing without a run.
std::optional<TimeEstimate> TimeBySeries(const std::vector<TimedRun>& runs, double steps);

// By runs of other sizes on the device: the median time a FLOP of up to kClosest runs whose steps
// have the most similar number of FLOPs, since small steps are slower by the FLOP than large ones,
// and differ from the closest one's by a factor of kMostFlopsRatio at the most; those of the same
// precision, if there are any. Nothing without a run, or without FLOPs.
inline constexpr size_t kClosest = 5;
inline constexpr double kMostFlopsRatio = 4;
std::optional<TimeEstimate> TimeByFlops(const std::vector<TimedRun>& runs, v1::Precision precision,
                                        double step_flops, double steps);

}  // namespace torchlap::measure
