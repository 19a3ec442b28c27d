// What to do after a run, found from its numbers. Pure; the client has the words.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/measure/workload_kind.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// The arithmetic of a run's memory: weights, gradients and optimizer state by the shape, 0 where
// the pass has none; activations by what was seen. For a run that ended OK that is the largest
// allocation (first step or measured steps) less the three. For OUT_OF_MEMORY it is allocated +
// asked at the failure less what was there by then (no gradients before the backward, no optimizer
// state before the first step was over), a lower bound. Unset where nothing was seen.
v1::MemoryParts PartsOfMemory(const v1::Run& run, bool first_step_done);

// A size, and what it is expected to hold.
struct MemoryForecast {
  StepSize size;
  uint64_t bytes = 0;
};

// Bytes at another size, by scaling the activations that were seen as the workload's kind does
// (workload_kind.h). nullopt without activations.
std::optional<uint64_t> ForecastBytes(const v1::Workload& workload, const v1::MemoryParts& parts,
                                      const StepSize& size);

// The first size that would fit `device_bytes` when the batch is halved down to 1, then the context
// down to 1. nullopt: none, or nothing was seen.
std::optional<MemoryForecast> FindSizeThatFits(const v1::Workload& workload,
                                               const v1::MemoryParts& parts, uint64_t device_bytes);

// What is known beside the run.
struct AdviceContext {
  bool is_cuda = false;
  bool has_tf32 = false;  // compute capability 8.0 and above
  bool has_bf16 = false;
  bool is_calibrated = false;
  uint64_t device_memory_bytes = 0;  // 0: no limit is known
};

// Sets assessment.advice and assessment.memory of a run that SummariseRun and Judge have seen. In
// this order:
//   OUT_OF_MEMORY, SKIPPED: NOTHING_FITS (bytes that the pass must hold, bytes2 of the device) with
//     BF16_WEIGHTS_FIT where half the weights' bytes would fit; else SMALLER_FITS (number batch,
//     number2 context, bytes forecast, bytes2 of the device).
//   OK: NEIGHBOUR (text `stress-ng (pid 812, ann)`, ratio its share) for each process, THROTTLED
//     (text: the reasons' words); unless contaminated, which explains them, MORE_WARMUP after a
//     cold start (number: steps until times settle), DRIFT (number: 7 launches), TWO_MODES;
//     MORE_STEPS for a CV above 10 % that none of the above explains (number of steps for an
//     interval of +-ratio of the mean: the plan's target precision, else the smallest of 1, 2, 5
//     and 10 % that takes at most 1000 steps). On CUDA with fp32 USE_TF32 and USE_BF16 where the
//     device has them. CALIBRATE if it never was.
// Runs of another outcome, and of a purpose other than measure, warmup and fit, get none.
void Advise(const v1::SampleBlock& samples, const AdviceContext& context, v1::Run* run);

}  // namespace torchlap::measure
