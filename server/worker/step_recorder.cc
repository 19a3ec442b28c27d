#include "server/worker/step_recorder.h"

#include <chrono>

namespace torchlap::worker {

int64_t MonotonicNs() {
  // libstdc++'s steady_clock is CLOCK_MONOTONIC.
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

StepRecorder::StepRecorder(Device* device, v1::Timing timing, Clock clock)
    : device_(device), separate_(timing == v1::TIMING_SEPARATE), clock_(clock) {}

void StepRecorder::Enter(v1::Phase phase) {
  if (phase_ == v1::PHASE_UNSPECIFIED) {
    times_ = StepTimes{};
    peaks_ = {};
    times_.start_ns = phase_start_ns_ = Stamp();
  } else {
    EndPhase(separate_ ? Stamp() : 0);
  }
  device_->ResetPeaks();
  phase_ = phase;
}

void StepRecorder::Leave() {
  const int64_t now_ns = Stamp();
  EndPhase(now_ns);
  times_.step_ns = now_ns - times_.start_ns;
  phase_ = v1::PHASE_UNSPECIFIED;
}

int64_t StepRecorder::Stamp() {
  device_->Synchronise();
  return clock_();
}

void StepRecorder::EndPhase(int64_t now_ns) {
  peaks_[phase_] = device_->Peaks();
  if (!separate_) return;
  times_.phase_ns[phase_] = now_ns - phase_start_ns_;
  phase_start_ns_ = now_ns;
}

}  // namespace torchlap::worker
