// Model shapes by name (server/measure/README.md, section 1), and the arithmetic of a shape.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "torchlap/v1/service.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::measure {

// All presets, edition by edition, smallest first. Source: the CS336 systems assignment, 2025 and
// 2026.
const std::vector<v1::Preset>& Presets();

// Fills edition, preset and the shape of `model` from its preset name (`small`, `cs336-2026/xl`),
// or checks a declared shape. INVALID_ARGUMENT names the field, the value and what would be right.
absl::Status ResolveShape(v1::TransformerLm* model);

// L(4d^2 + 3df + 2d) + 2Vd + d.
uint64_t ParameterCount(const v1::TransformerLm& model);

// FLOPs of one step of the pass: forward 2BT(L(4d^2 + 3df) + Vd) + 4LBT^2 d, backward twice that.
// Causal masks are not credited; the optimizer is counted in bytes, not here.
double StepFlops(const v1::TransformerLm& model);

// What the pass must hold whatever the batch, in bytes: forward weights; forward-backward and
// gradients; train-step and the two moments of AdamW. bf16-weights: 2 bytes an entry, else 4.
uint64_t ResidentBytes(const v1::TransformerLm& model);

}  // namespace torchlap::measure
