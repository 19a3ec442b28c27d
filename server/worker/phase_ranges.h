// The phases of a step as named ranges of a profiler.
#pragma once

#include <memory>
#include <string>

#include "server/worker/training_step.h"

namespace torchlap::worker {

// Where ranges go. Ranges end in the reverse order of their beginnings.
class RangeSink {
 public:
  virtual ~RangeSink() = default;
  virtual void Push(const std::string& name) = 0;
  virtual void Pop() = 0;
};

// NVTX, which a tool such as Nsight Systems shows: without one, each call is a test of a pointer.
// LibTorch's CUDA part is loaded.
std::unique_ptr<RangeSink> MakeNvtxSink();

// Ranges of a running LibTorch profiler (trace.h).
std::unique_ptr<RangeSink> MakeProfilerSink();

// Passes everything on, and makes ranges `step` and, within it, `forward`, `loss`, `backward` and
// `optimizer`: from clock to clock of the listener behind.
class PhaseRanges final : public PhaseListener {
 public:
  // `behind` outlives this.
  PhaseRanges(PhaseListener* behind, std::unique_ptr<RangeSink> sink);

  void Begin() override;
  void Enter(v1::Phase phase) override;
  void Leave() override;

 private:
  PhaseListener* const behind_;
  const std::unique_ptr<RangeSink> sink_;
  bool in_step_ = false;
  bool in_phase_ = false;
};

}  // namespace torchlap::worker
