// The model that is timed: a pre-norm decoder-only Transformer language model
// (server/measure/README.md, section 1).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

struct Parameter {
  std::string name;  // `layers.0.attn.q_proj.weight`
  at::Tensor tensor;
};

// Gives a fresh parameter (fp32, on its device, undefined content) its values.
using ParameterFill = std::function<void(const std::string& name, const at::Tensor& parameter)>;

// No biases, no dropout, no weight tying. B batch, T context, V vocabulary, d model width, h heads,
// d_h = d / h, f feed-forward width. Operators come in the order of tests/bench/eager_reference.py,
// so that times compare.
class Transformer {
 public:
  // `model` must be complete. Parameters are made in order of declaration, filled in fp32 by
  // `fill`, and kept as `weights_type`. They record gradients.
  Transformer(const v1::TransformerLm& model, c10::Device device, c10::ScalarType weights_type,
              const ParameterFill& fill);

  // Logits (B, T, V) of token ids (B, T), int64. T is at most the context length of the model.
  at::Tensor Forward(const at::Tensor& ids) const;

  // What scaled_dot_product_attention chooses for the queries, keys and values that the first layer
  // makes of `ids`, as a number of at::SDPBackend. Depends on the autocast and gradient recording
  // in force.
  int64_t ChosenSdpa(const at::Tensor& ids) const;

  // In order of declaration.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  // Number of all entries.
  uint64_t ParameterCount() const;

 private:
  // Weights are [out, in].
  struct Layer {
    at::Tensor attention_gain;             // (d)
    at::Tensor query, key, value, output;  // (d, d)
    at::Tensor feed_forward_gain;          // (d)
    at::Tensor gate, down, up;             // W1 (f, d), W2 (d, f), W3 (f, d)
  };

  // (B, h, T, d_h) each.
  struct Heads {
    at::Tensor query, key, value;
  };

  Heads Project(const Layer& layer, const at::Tensor& x) const;
  at::Tensor Attend(const Layer& layer, const at::Tensor& x) const;
  at::Tensor Rotate(const at::Tensor& x) const;
  at::Tensor SplitHeads(const at::Tensor& x) const;

  const int64_t heads_;
  const bool sdpa_;
  std::vector<Parameter> parameters_;
  at::Tensor embeddings_;  // (V, d)
  std::vector<Layer> layers_;
  at::Tensor final_gain_;  // (d)
  at::Tensor head_;        // (V, d)
  at::Tensor cos_, sin_;   // (T, d_h / 2), fp32
};

// Mean over all tokens of -log_softmax(logits)[target]. logits (B, T, V), targets (B, T) int64.
at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace torchlap::worker
