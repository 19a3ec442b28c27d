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

// What is known beside the run.
struct AdviceContext {
  bool is_cuda = false;
  bool has_tf32 = false;  // compute capability 8.0 and above
  bool has_bf16 = false;
  bool is_calibrated = false;  // or has no peak to be calibrated: an emulated format
  // Load average when the calibration ran that Run.matmul_peak_ratio stands on; unset: not known.
  std::optional<double> calibration_load = std::nullopt;
  uint64_t device_memory_bytes = 0;  // 0: no limit is known
  // Share of the measured steps in which the device worked (device_busy.h); unset: not known.
  std::optional<double> device_busy_ratio = std::nullopt;
};

// Sets assessment.advice and assessment.memory of a run that SummariseRun and Judge have seen. In
// this order:
//   OUT_OF_MEMORY, SKIPPED (the device has what was free at the start, where the worker told it,
//     with what others held by then beyond an idle device's; else its memory; after SKIPPED what
//     the failure says, by which it was ruled out): NOTHING_FITS (bytes that the pass must hold,
//     bytes2 of the device) with BF16_WEIGHTS_FIT where the same with weights of half the bytes
//     would fit, or else FORWARD_BF16_WEIGHTS_FIT where only such weights alone would; else FIT
//     (number batch, number2 context that ran out, bytes that the pass must hold, bytes2 of the
//     device): which smaller size fits is not computed, as gradients and activations do not all
//     live together, and by how much a peak was missed is not known. Tries of `fit` itself do
//     without.
//   OK, but for the tries of `fit` of one step, whose times nobody asked for:
//     NEIGHBOUR (text `stress-ng (pid 812, ann)`, who computed most of all; ratio the largest share
//     that others had, its own part is in the evidence) for each such process, or
//     QUIET_DEVICE (the same, number and number2 tries) where all tries that the plan allows were
//     contaminated; THROTTLED (text: the reasons' words); unless contaminated, which explains them,
//     MORE_WARMUP after a cold start (number: steps until times settle), DRIFT (number: 7
//     launches), TWO_MODES; MORE_STEPS for a CV above 10 % that none of the above explains (number
//     of steps for an interval of +-ratio of the mean: further_steps.h), for a plan of one launch:
//     else the cell has it, AdviseOnLaunches. Too many steps are NOISE_REMAINS instead, and nothing
//     beside LONGER_WINDOW. LONGER_WINDOW (number: steps that take 200 ms and a
//     fifth more) for short-window in a run of purpose measure. On CUDA with fp32 USE_TF32 and
//     USE_BF16 where the device has them. CALIBRATE if it never was, CALIBRATE_AGAIN (text: run
//     that found the peak, ratio: load average at it, 0 where not known) above a share of 1. On
//     CUDA HOST_BOUND (ratio: the device's share of a step, number: twice the batch) below 0.8 of
//     it.
// Runs of another outcome, and of a purpose other than measure, warmup and fit, get none.
void Advise(const v1::SampleBlock& samples, const AdviceContext& context, v1::Run* run);

// Adds MORE_STEPS to the row of a cell whose plan has several launches, under the same condition:
// noise in one of `launches`, and nothing that explains it.
void AdviseOnLaunches(const std::vector<v1::Run>& launches, v1::Run* row);

}  // namespace torchlap::measure
