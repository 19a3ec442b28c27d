#include "tests/server/worker/oracle_model.h"

#include <ATen/ATen.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace torchlap::worker {
namespace {

// offset + scale * u, u = ((x * 2654435761 + salt * 40503) mod 2^32) / 2^31 - 1, x the flat index.
void FillByFormula(const at::Tensor& tensor, int64_t salt, double scale, double offset) {
  const at::Tensor x = at::arange(tensor.numel(), at::kLong);
  const at::Tensor scrambled = (x * 2654435761 + salt * 40503).remainder(int64_t{1} << 32);
  const at::Tensor u = scrambled.to(at::kDouble) / 2147483648.0 - 1.0;
  tensor.copy_((offset + scale * u).to(at::kFloat).view(tensor.sizes()));
}

// (x * factor + start) mod vocabulary, as (B, T).
at::Tensor TokensByFormula(const v1::TransformerLm& model, int64_t factor, int64_t start) {
  const int64_t batch = model.batch_size();
  const int64_t context = model.context_length();
  const at::Tensor x = at::arange(batch * context, at::kLong);
  return (x * factor + start).remainder(model.vocab_size()).view({batch, context});
}

}  // namespace

nlohmann::json ReadVectors(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) throw std::runtime_error("cannot read " + file);
  return nlohmann::json::parse(stream);
}

v1::TransformerLm OracleWorkload(const nlohmann::json& vectors) {
  v1::TransformerLm model;
  model.set_vocab_size(vectors.at("vocab"));
  model.set_d_model(vectors.at("d_model"));
  model.set_d_ff(vectors.at("d_ff"));
  model.set_layers(vectors.at("layers"));
  model.set_heads(vectors.at("heads"));
  model.set_batch_size(vectors.at("batch"));
  model.set_context_length(vectors.at("context"));
  model.set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  model.set_precision(v1::PRECISION_FP32);
  model.set_attention(v1::ATTENTION_EXPLICIT);
  model.set_optimizer(v1::OPTIMIZER_COURSE);
  return model;
}

void FillOracleParameter(int64_t number, const at::Tensor& parameter) {
  if (parameter.dim() == 1) {
    FillByFormula(parameter, number, 0.1, 1.0);
  } else {
    FillByFormula(parameter, number, 1 / std::sqrt(static_cast<double>(parameter.size(1))), 0.0);
  }
}

at::Tensor OracleIds(const v1::TransformerLm& model) { return TokensByFormula(model, 7919, 13); }

at::Tensor OracleTargets(const v1::TransformerLm& model) {
  return TokensByFormula(model, 104729, 71);
}

}  // namespace torchlap::worker
