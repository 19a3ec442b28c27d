// Times and memory peaks of one step's phases.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "server/worker/device.h"
#include "server/worker/training_step.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

// One value for each phase of a step, by v1::Phase.
template <typename T>
using ByPhase = std::array<std::optional<T>, v1::Phase_ARRAYSIZE>;

struct StepTimes {
  int64_t start_ns = 0;  // of the clock that the recorder was given
  int64_t step_ns = 0;
  ByPhase<int64_t> phase_ns;  // empty with timing `combined`
};

// CLOCK_MONOTONIC of the host, in ns.
int64_t MonotonicNs();

// Reads the clock where the timing mode says: `separate` synchronises the device at every boundary
// of a phase, `combined` only at the ends of the step. Peaks of memory are taken at every boundary
// in both.
class StepRecorder final : public PhaseListener {
 public:
  using Clock = int64_t (*)();

  // `device` outlives this.
  StepRecorder(Device* device, v1::Timing timing, Clock clock = &MonotonicNs);

  void Enter(v1::Phase phase) override;
  void Leave() override;

  // The phase that is running; UNSPECIFIED between steps.
  v1::Phase phase() const { return phase_; }
  // Of the last step that was left.
  const StepTimes& times() const { return times_; }
  const ByPhase<MemoryPeak>& peaks() const { return peaks_; }

 private:
  int64_t Stamp();
  void EndPhase(int64_t now_ns);

  Device* const device_;
  const bool separate_;
  const Clock clock_;
  v1::Phase phase_ = v1::PHASE_UNSPECIFIED;
  int64_t phase_start_ns_ = 0;
  StepTimes times_;
  ByPhase<MemoryPeak> peaks_;
};

}  // namespace torchlap::worker
