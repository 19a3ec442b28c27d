// The arithmetic of a Transformer language model (`Workload.transformer_lm`).
#pragma once

#include "server/measure/workload_kind.h"

namespace torchlap::measure {

// FLOPs of a step: forward 2BT(L(4d^2 + 3df) + Vd) + 4LBT^2 d, backward twice that. Causal masks
// are not credited; the optimizer is counted in bytes, not here.
// Resident: forward weights; forward-backward and gradients; train-step and the two moments of
// AdamW. bf16-weights: 2 bytes an entry, else 4.
// Activations: proportional to the batch; with the context, linear with attention `sdpa`, and for
// `explicit` split into a linear and a quadratic share in the ratio L (16 d + 5 f) + 3 V to 3 L h T
// (numbers that a token keeps for the backward: inputs of norms, projections and the feed-forward;
// logits and their gradient; scores, their softmax and its gradient).
const WorkloadKind& TransformerKind();

}  // namespace torchlap::measure
