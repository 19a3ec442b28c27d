// A step as a CUDA graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "server/worker/cuda/cuda_extras.h"
#include "server/worker/device.h"
#include "server/worker/step_recorder.h"
#include "server/worker/training_step.h"

namespace torchlap::worker {

// Steps that must have been executed on the stream of a capture: libraries choose algorithms, make
// handles and allocate workspaces in the first ones, which must not happen in a graph (PyTorch's
// notes on CUDA graphs ask for three).
inline constexpr uint32_t kStepsBeforeCapture = 3;

// Gives the work of this thread to a stream of its own from now on: the default stream cannot be
// captured. Everything that the default stream was given must be done.
void LeaveDefaultStream(c10::Device device);

// Records one step of `step` once and repeats it. The optimizer keeps its counts on the device, and
// gradients stay where the graph put them: nobody sets them to none afterwards. Not thread-safe.
class GraphedStep {
 public:
  // All outlive this.
  GraphedStep(Device* device, TrainingStep* step, const TorchlapCudaExtras* extras);
  ~GraphedStep();
  GraphedStep(const GraphedStep&) = delete;
  GraphedStep& operator=(const GraphedStep&) = delete;

  // Once, after kStepsBeforeCapture steps on the current stream, which is not the default one. The
  // step is recorded, and then replayed once: the first replay takes the graph to the device, which
  // no measured step shall do. Throws what LibTorch throws.
  void Capture();

  // One step. `listener` is told no phases, which cannot be told apart. The loss as
  // TrainingStep::Run returns it; the next call overwrites it.
  at::Tensor Run(PhaseListener* listener);

  // Memory that was in use while the phases were recorded: a replay uses the same.
  const ByPhase<MemoryPeak>& peaks() const { return peaks_; }
  // The phase that is being recorded; UNSPECIFIED otherwise.
  v1::Phase phase() const { return phase_; }

 private:
  class Peaks;

  Device* const device_;
  TrainingStep* const step_;
  const TorchlapCudaExtras* const extras_;
  TorchlapCudaGraph* graph_ = nullptr;
  at::Tensor loss_;
  v1::Phase phase_ = v1::PHASE_UNSPECIFIED;
  ByPhase<MemoryPeak> peaks_;
};

}  // namespace torchlap::worker
