#include "server/measure/transformer_kind.h"

#include <limits>

#include "server/measure/presets.h"

namespace torchlap::measure {
namespace {

constexpr uint64_t kMostBytes = std::numeric_limits<uint64_t>::max();

const v1::TransformerLm& ModelOf(const v1::Workload& workload) { return workload.transformer_lm(); }

bool HasBackward(const v1::TransformerLm& model) {
  return model.pass_type() != v1::PASS_TYPE_FORWARD;
}

// Shapes beyond any memory are within the limits of a declared shape.
uint64_t Times(uint64_t a, uint64_t b) { return a > kMostBytes / b ? kMostBytes : a * b; }

class Transformer : public WorkloadKind {
 public:
  StepSize Size(const v1::Workload& workload) const override {
    return {ModelOf(workload).batch_size(), ModelOf(workload).context_length()};
  }

  double StepTokens(const v1::Workload& workload) const override {
    return double{1} * ModelOf(workload).batch_size() * ModelOf(workload).context_length();
  }

  double StepFlops(const v1::Workload& workload) const override {
    const v1::TransformerLm& model = ModelOf(workload);
    const double vocab = model.vocab_size();
    const double d = model.d_model();
    const double f = model.d_ff();
    const double layers = model.layers();
    const double batch = model.batch_size();
    const double context = model.context_length();
    const double forward = 2 * batch * context * (layers * (4 * d * d + 3 * d * f) + vocab * d) +
                           4 * layers * batch * context * context * d;
    return HasBackward(model) ? 3 * forward : forward;
  }

  v1::Precision Precision(const v1::Workload& workload) const override {
    return ModelOf(workload).precision();
  }

  v1::MemoryParts Resident(const v1::Workload& workload) const override {
    const v1::TransformerLm& model = ModelOf(workload);
    const uint64_t entry_bytes = model.precision() == v1::PRECISION_BF16_WEIGHTS ? 2 : 4;
    const uint64_t weights = Times(ParameterCount(model), entry_bytes);
    v1::MemoryParts parts;
    parts.set_weights_bytes(weights);
    if (HasBackward(model)) parts.set_gradients_bytes(weights);
    if (model.pass_type() == v1::PASS_TYPE_TRAIN_STEP) parts.set_optimizer_bytes(Times(weights, 2));
    return parts;
  }

  std::optional<v1::Workload> WithBf16Weights(const v1::Workload& workload) const override {
    if (ModelOf(workload).precision() == v1::PRECISION_BF16_WEIGHTS) return std::nullopt;
    v1::Workload other = workload;
    other.mutable_transformer_lm()->set_precision(v1::PRECISION_BF16_WEIGHTS);
    return other;
  }
};

}  // namespace

const WorkloadKind& TransformerKind() {
  static const Transformer kind;
  return kind;
}

}  // namespace torchlap::measure
