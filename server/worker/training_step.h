// One step of a pass: which operations, and where its phases begin.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "server/worker/adamw.h"
#include "server/worker/transformer.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

// Told where the phases of a step begin and where the step ends.
class PhaseListener {
 public:
  virtual ~PhaseListener() = default;
  // A step begins that will not tell its phases. Others begin with their first phase.
  virtual void Begin() {}
  // `phase` begins; the one before it, if the step has begun already, ends.
  virtual void Enter(v1::Phase phase) = 0;
  // The last phase, and the step, end.
  virtual void Leave() = 0;
};

// Executes a pass (server/measure/README.md, section 2) on one batch, again and again. Not
// thread-safe.
class TrainingStep {
 public:
  // `model` and `optimizer` outlive this; `optimizer` may be null unless the pass is train-step.
  // ids and targets are (B, T) int64 on the model's device.
  TrainingStep(const v1::TransformerLm& workload, const Transformer* model, AdamW* optimizer,
               at::Tensor ids, at::Tensor targets);

  // Sets all gradients to none: belongs before the clock of a step.
  void Prepare();

  // One step. Returns the loss, a tensor of no axes that holds no graph; undefined for the pass
  // `forward`.
  at::Tensor Run(PhaseListener* listener);

 private:
  const v1::PassType pass_;
  const std::optional<c10::ScalarType> autocast_;
  const Transformer* const model_;
  AdamW* const optimizer_;
  const at::Tensor ids_;
  const at::Tensor targets_;
};

}  // namespace torchlap::worker
