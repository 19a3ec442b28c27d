// AdamW: lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight decay 0.01 on all parameters
// (server/measure/README.md, section 1).
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

// State of the optimizer is made by the first Step. Not thread-safe.
class AdamW {
 public:
  virtual ~AdamW() = default;
  // One update of all parameters. Every parameter has a gradient.
  virtual void Step() = 0;
};

// `course`: one parameter at a time, in the operations of the course's loop (eager_reference.py).
// `fused`: one call for all parameters, as torch.optim.AdamW(fused=True) does it.
std::unique_ptr<AdamW> MakeAdamW(v1::Optimizer variant, std::vector<at::Tensor> parameters);

}  // namespace torchlap::worker
