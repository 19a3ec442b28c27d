#include "server/worker/graphed_step.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace torchlap::worker {

void LeaveDefaultStream(c10::Device device) {
  const c10::impl::VirtualGuardImpl streams(device.type());
  at::accelerator::setCurrentStream(streams.getNewStream(device));
}

// Takes peaks, and no time: while a graph is recorded there is none, and waiting for the device is
// an error.
class GraphedStep::Peaks final : public PhaseListener {
 public:
  explicit Peaks(GraphedStep* graph) : graph_(graph) {}

  void Enter(v1::Phase phase) override {
    Leave();
    graph_->device_->ResetPeaks();
    graph_->phase_ = phase;
  }

  void Leave() override {
    if (graph_->phase_ == v1::PHASE_UNSPECIFIED) return;
    graph_->peaks_[graph_->phase_] = graph_->device_->Peaks();
    graph_->phase_ = v1::PHASE_UNSPECIFIED;
  }

 private:
  GraphedStep* const graph_;
};

GraphedStep::GraphedStep(Device* device, TrainingStep* step, const TorchlapCudaExtras* extras)
    : device_(device), step_(step), extras_(extras) {}

GraphedStep::~GraphedStep() {
  if (graph_ != nullptr) extras_->destroy(graph_);
}

void GraphedStep::Capture() {
  // Gradients are none, so that backward makes them in the graph's own memory and each replay
  // writes them anew instead of adding to them.
  step_->Prepare();
  device_->Synchronise();
  // What the steps until now left behind cannot be used by the graph, which allocates from a pool
  // of its own: given back, or both would have to fit.
  device_->GiveBackUnused();
  Peaks peaks(this);
  graph_ = extras_->begin_capture();
  loss_ = step_->Run(&peaks);
  extras_->end_capture(graph_);
  device_->Synchronise();
  extras_->replay(graph_);
  device_->Synchronise();
}

at::Tensor GraphedStep::Run(PhaseListener* listener) {
  listener->Begin();
  extras_->replay(graph_);
  listener->Leave();
  return loss_;
}

}  // namespace torchlap::worker
