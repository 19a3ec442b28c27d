#include "server/worker/precision.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

namespace torchlap::worker {

c10::ScalarType WeightsType(v1::Precision precision) {
  return precision == v1::PRECISION_BF16_WEIGHTS ? c10::kBFloat16 : c10::kFloat;
}

std::optional<c10::ScalarType> AutocastType(v1::Precision precision) {
  if (precision == v1::PRECISION_BF16) return c10::kBFloat16;
  if (precision == v1::PRECISION_FP16) return c10::kHalf;
  return std::nullopt;
}

void SetMatmulPrecision(v1::Precision precision) {
  at::globalContext().setFloat32MatmulPrecision(precision == v1::PRECISION_TF32 ? "high"
                                                                                : "highest");
}

AutocastScope::AutocastScope(c10::DeviceType device, std::optional<c10::ScalarType> type)
    : device_(device), enabled_(type.has_value()) {
  if (!enabled_) return;
  at::autocast::set_autocast_dtype(device_, *type);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (!enabled_) return;
  // The casts of weights are kept until the outermost scope ends.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, false);
}

}  // namespace torchlap::worker
