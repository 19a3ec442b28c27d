#include "server/worker/phase_peaks.h"

#include <algorithm>

namespace torchlap::worker {
namespace {

// The larger of both, number by number.
void Raise(std::optional<MemoryPeak>* largest, const std::optional<MemoryPeak>& peak) {
  if (!peak) return;
  if (!*largest) {
    *largest = peak;
    return;
  }
  (*largest)->allocated_bytes = std::max((*largest)->allocated_bytes, peak->allocated_bytes);
  (*largest)->reserved_bytes = std::max((*largest)->reserved_bytes, peak->reserved_bytes);
}

std::optional<MemoryPeak> Largest(const ByPhase<MemoryPeak>& peaks) {
  std::optional<MemoryPeak> largest;
  for (const auto& peak : peaks) Raise(&largest, peak);
  return largest;
}

void FillPhase(const std::optional<MemoryPeak>& peak, v1::PhasePeak* phase) {
  phase->set_allocated_bytes(peak->allocated_bytes);
  if (peak->reserved_bytes) phase->set_reserved_bytes(*peak->reserved_bytes);
}

}  // namespace

void PhasePeaks::Add(const ByPhase<MemoryPeak>& step, bool measured) {
  if (!any_step_) first_step_ = Largest(step);
  any_step_ = true;
  if (!measured) return;
  for (size_t phase = 0; phase < step.size(); ++phase) Raise(&measured_[phase], step[phase]);
}

void PhasePeaks::Fill(v1::MemoryUse* memory) const {
  if (const auto peak = Largest(measured_)) {
    memory->set_peak_allocated_bytes(peak->allocated_bytes);
    if (peak->reserved_bytes) memory->set_peak_reserved_bytes(*peak->reserved_bytes);
  }
  if (first_step_) {
    memory->set_first_step_peak_allocated_bytes(first_step_->allocated_bytes);
    if (first_step_->reserved_bytes) {
      memory->set_first_step_peak_reserved_bytes(*first_step_->reserved_bytes);
    }
  }
  if (const auto& peak = measured_[v1::PHASE_FORWARD]) FillPhase(peak, memory->mutable_forward());
  if (const auto& peak = measured_[v1::PHASE_LOSS]) FillPhase(peak, memory->mutable_loss());
  if (const auto& peak = measured_[v1::PHASE_BACKWARD]) FillPhase(peak, memory->mutable_backward());
  if (const auto& peak = measured_[v1::PHASE_OPTIMIZER]) {
    FillPhase(peak, memory->mutable_optimizer());
  }
}

}  // namespace torchlap::worker
