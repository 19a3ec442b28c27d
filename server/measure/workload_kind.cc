#include "server/measure/workload_kind.h"

#include <limits>

#include "server/measure/transformer_kind.h"

namespace torchlap::measure {
namespace {

uint64_t Plus(uint64_t a, uint64_t b) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  return a > kMost - b ? kMost : a + b;
}

// A device's own speed: no steps, no model.
class Calibration : public WorkloadKind {
 public:
  StepSize Size(const v1::Workload& /*workload*/) const override { return {}; }
  double StepTokens(const v1::Workload& /*workload*/) const override { return 0; }
  double StepFlops(const v1::Workload& /*workload*/) const override { return 0; }
  v1::Precision Precision(const v1::Workload& /*workload*/) const override {
    return v1::PRECISION_UNSPECIFIED;
  }
  v1::MemoryParts Resident(const v1::Workload& /*workload*/) const override { return {}; }
  std::optional<v1::Workload> WithBf16Weights(const v1::Workload& /*workload*/) const override {
    return std::nullopt;
  }
};

}  // namespace

const WorkloadKind& KindOf(const v1::Workload& workload) {
  static const Calibration calibration;
  if (workload.has_calibration()) return calibration;
  return TransformerKind();
}

uint64_t ResidentBytes(const v1::MemoryParts& parts) {
  return Plus(Plus(parts.weights_bytes(), parts.gradients_bytes()), parts.optimizer_bytes());
}

uint64_t ResidentBytes(const v1::Workload& workload) {
  return ResidentBytes(KindOf(workload).Resident(workload));
}

StepSize SizeOf(const v1::Workload& workload) { return KindOf(workload).Size(workload); }

}  // namespace torchlap::measure
