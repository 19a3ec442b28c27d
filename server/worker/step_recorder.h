// Times and memory peaks of one step's phases.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "proto/base/clock.h"
#include "server/worker/device.h"
#include "server/worker/training_step.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

// One value for each phase of a step, by v1::Phase.
template <typename T>
using ByPhase = std::array<std::optional<T>, v1::Phase_ARRAYSIZE>;

struct StepTimes {
  // Host clock.
  int64_t start_ns = 0;
  int64_t step_ns = 0;
  ByPhase<int64_t> phase_ns;  // only with timing `separate`
  // Device clock; nothing where the device has none.
  ByPhase<int64_t> device_phase_ns;  // only with timing `separate` and `events`
  std::optional<int64_t> device_step_ns;
};

// Reads the clocks where the timing mode says. The device is synchronised at both ends of a step in
// every mode, and there the host clock is read. In between:
//   separate  the device is synchronised at every boundary of a phase and the host clock is read;
//             the device's clock is marked at both ends of the phase, so that waiting is not in it
//   events    the device's clock is marked at every boundary; nothing waits
//   combined  nothing: only the step is timed, by both clocks
// Peaks of memory are taken at every boundary in all modes.
class StepRecorder final : public PhaseListener {
 public:
  // CLOCK_MONOTONIC of the host, in ns.
  using HostClock = int64_t (*)();

  // `device` outlives this.
  StepRecorder(Device* device, v1::Timing timing, HostClock clock = &MonotonicNs);

  void Begin() override;
  void Enter(v1::Phase phase) override;
  void Leave() override;

  // The phase that is running; UNSPECIFIED between steps.
  v1::Phase phase() const { return phase_; }
  // Of the last step that was left.
  const StepTimes& times() const { return times_; }
  const ByPhase<MemoryPeak>& peaks() const { return peaks_; }

 private:
  // Numbers of two marks of the device's clock.
  struct Span {
    size_t from = 0;
    size_t to = 0;
  };

  size_t Mark();
  int64_t SynchronisedNow();
  void CrossBoundary();
  void EndPhase(int64_t now_ns, size_t mark);
  void ReadDeviceClock(Span step);

  Device* const device_;
  const v1::Timing timing_;
  const HostClock clock_;
  const std::unique_ptr<DeviceClock> device_clock_;  // null: the device has none
  bool in_step_ = false;
  v1::Phase phase_ = v1::PHASE_UNSPECIFIED;
  int64_t phase_start_ns_ = 0;
  size_t step_mark_ = 0;
  size_t phase_mark_ = 0;
  ByPhase<Span> spans_;
  StepTimes times_;
  ByPhase<MemoryPeak> peaks_;
};

}  // namespace torchlap::worker
