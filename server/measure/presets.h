// Model shapes by name (server/measure/README.md, section 1).
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

}  // namespace torchlap::measure
