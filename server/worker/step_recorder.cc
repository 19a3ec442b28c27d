#include "server/worker/step_recorder.h"

namespace torchlap::worker {

StepRecorder::StepRecorder(Device* device, v1::Timing timing, HostClock clock)
    : device_(device), timing_(timing), clock_(clock), device_clock_(device->MakeClock()) {}

void StepRecorder::Begin() {
  in_step_ = true;
  times_ = StepTimes{};
  peaks_ = {};
  spans_ = {};
  if (device_clock_) device_clock_->Clear();
  device_->Synchronise();
  // Before the host clock is read, so that marking is not in the step.
  step_mark_ = phase_mark_ = Mark();
  times_.start_ns = phase_start_ns_ = clock_();
}

void StepRecorder::Enter(v1::Phase phase) {
  if (in_step_) {
    CrossBoundary();
  } else {
    Begin();
  }
  device_->ResetPeaks();
  phase_ = phase;
}

void StepRecorder::Leave() {
  const size_t mark = Mark();
  const int64_t now_ns = SynchronisedNow();
  if (phase_ != v1::PHASE_UNSPECIFIED) EndPhase(now_ns, mark);
  times_.step_ns = now_ns - times_.start_ns;
  ReadDeviceClock({step_mark_, mark});
  phase_ = v1::PHASE_UNSPECIFIED;
  in_step_ = false;
}

void StepRecorder::CrossBoundary() {
  if (timing_ == v1::TIMING_COMBINED) {
    EndPhase(0, 0);
    return;
  }
  const size_t mark = Mark();
  const bool separate = timing_ == v1::TIMING_SEPARATE;
  EndPhase(separate ? SynchronisedNow() : 0, mark);
  phase_mark_ = separate ? Mark() : mark;
}

// Both clocks' ends of the phase; each is used only where the timing has it.
void StepRecorder::EndPhase(int64_t now_ns, size_t mark) {
  peaks_[phase_] = device_->Peaks();
  if (timing_ != v1::TIMING_COMBINED) spans_[phase_] = Span{phase_mark_, mark};
  if (timing_ != v1::TIMING_SEPARATE) return;
  times_.phase_ns[phase_] = now_ns - phase_start_ns_;
  phase_start_ns_ = now_ns;
}

void StepRecorder::ReadDeviceClock(Span step) {
  if (!device_clock_) return;
  times_.device_step_ns = device_clock_->BetweenNs(step.from, step.to);
  for (size_t phase = 0; phase < spans_.size(); ++phase) {
    if (const auto& span = spans_[phase]) {
      times_.device_phase_ns[phase] = device_clock_->BetweenNs(span->from, span->to);
    }
  }
}

size_t StepRecorder::Mark() { return device_clock_ ? device_clock_->Mark() : 0; }

int64_t StepRecorder::SynchronisedNow() {
  device_->Synchronise();
  return clock_();
}

}  // namespace torchlap::worker
