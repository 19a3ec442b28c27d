// Number formats: `--precision` in terms of LibTorch.
#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include <optional>

#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

// Format of weights, gradients and optimizer state.
c10::ScalarType WeightsType(v1::Precision precision);

// Format that matrix products are cast to; nothing: they are computed as their operands are.
std::optional<c10::ScalarType> AutocastType(v1::Precision precision);

// Allows or forbids TF32 for the whole process. Says so explicitly: what a library does by default
// changes.
void SetMatmulPrecision(v1::Precision precision);

// Autocast in this thread for as long as the object lives; none if `type` is unset.
class AutocastScope {
 public:
  AutocastScope(c10::DeviceType device, std::optional<c10::ScalarType> type);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  const c10::DeviceType device_;
  const bool enabled_;
};

}  // namespace torchlap::worker
