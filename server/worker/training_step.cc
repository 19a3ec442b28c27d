#include "server/worker/training_step.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "server/worker/precision.h"

namespace torchlap::worker {

TrainingStep::TrainingStep(const v1::TransformerLm& workload, const Transformer* model,
                           AdamW* optimizer, at::Tensor ids, at::Tensor targets)
    : pass_(workload.pass_type()),
      autocast_(AutocastType(workload.precision())),
      model_(model),
      optimizer_(optimizer),
      ids_(std::move(ids)),
      targets_(std::move(targets)) {}

void TrainingStep::Prepare() {
  for (const Parameter& parameter : model_->parameters()) parameter.tensor.mutable_grad().reset();
}

at::Tensor TrainingStep::Run(PhaseListener* listener) {
  const bool recording = pass_ != v1::PASS_TYPE_FORWARD;
  const at::AutoGradMode grad_mode(recording);
  at::Tensor logits;
  at::Tensor loss;
  {
    const AutocastScope autocast(ids_.device().type(), autocast_);
    listener->Enter(v1::PHASE_FORWARD);
    logits = model_->Forward(ids_);  // (B, T, V)
    if (recording) {
      listener->Enter(v1::PHASE_LOSS);
      loss = CrossEntropy(logits, targets_);
    }
  }
  if (recording) {
    listener->Enter(v1::PHASE_BACKWARD);
    torch::autograd::backward({loss});
  }
  if (pass_ == v1::PASS_TYPE_TRAIN_STEP) {
    listener->Enter(v1::PHASE_OPTIMIZER);
    optimizer_->Step();
  }
  listener->Leave();
  return recording ? loss.detach() : loss;
}

}  // namespace torchlap::worker
