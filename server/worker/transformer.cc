#include "server/worker/transformer.h"

#include <ATen/ops/_fused_sdp_choice.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <limits>

namespace torchlap::worker {
namespace {

constexpr double kNormEpsilon = 1e-5;
constexpr double kRotaryTheta = 10000.0;

// Temporaries are dropped statement by statement, as Python drops them: what is alive when decides
// which memory is used again, and with that page faults and peaks.

// x (..., d), in fp32 whatever the format of x.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& gain) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = wide.pow(2).mean(-1, /*keepdim=*/true).add(kNormEpsilon).rsqrt();
  return wide.mul(scale).mul(gain).to(x.scalar_type());
}

// W2(SiLU(W1 x) * W3 x), x (B, T, d).
at::Tensor FeedForward(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& down,
                       const at::Tensor& up) {
  const at::Tensor z = at::linear(x, gate);  // (B, T, f)
  at::Tensor gated = z.mul(z.sigmoid());
  gated = gated.mul(at::linear(x, up));
  return at::linear(gated, down);
}

// Softmax over the last axis of scores (B, h, T, T) where key <= query, times values (B, h, T,
// d_h).
at::Tensor MaskedSoftmaxTimes(at::Tensor scores, const at::Tensor& value) {
  const int64_t context = scores.size(-1);
  const at::Tensor mask = at::ones({context, context}, scores.options().dtype(at::kBool)).tril();
  scores = at::where(mask, scores, -std::numeric_limits<double>::infinity());
  const at::Tensor weights = scores.sub(scores.amax(-1, /*keepdim=*/true)).exp();
  return weights.div(weights.sum(-1, /*keepdim=*/true)).matmul(value);
}

}  // namespace

Transformer::Transformer(const v1::TransformerLm& model, c10::Device device,
                         c10::ScalarType weights_type, const ParameterFill& fill)
    : heads_(model.heads()), sdpa_(model.attention() == v1::ATTENTION_SDPA) {
  const int64_t vocabulary = model.vocab_size();
  const int64_t width = model.d_model();
  const int64_t inner = model.d_ff();
  const auto fp32 = at::TensorOptions().device(device).dtype(at::kFloat);

  const auto make = [&](const std::string& name, at::IntArrayRef shape) {
    at::Tensor tensor = at::empty(shape, fp32);
    fill(name, tensor);
    tensor = tensor.to(weights_type);
    tensor.set_requires_grad(true);
    parameters_.push_back({name, tensor});
    return tensor;
  };

  embeddings_ = make("token_embeddings.weight", {vocabulary, width});
  for (uint32_t i = 0; i < model.layers(); ++i) {
    const std::string prefix = "layers." + std::to_string(i) + ".";
    Layer& layer = layers_.emplace_back();
    layer.attention_gain = make(prefix + "ln1.weight", {width});
    layer.query = make(prefix + "attn.q_proj.weight", {width, width});
    layer.key = make(prefix + "attn.k_proj.weight", {width, width});
    layer.value = make(prefix + "attn.v_proj.weight", {width, width});
    layer.output = make(prefix + "attn.output_proj.weight", {width, width});
    layer.feed_forward_gain = make(prefix + "ln2.weight", {width});
    layer.gate = make(prefix + "ffn.w1.weight", {inner, width});
    layer.down = make(prefix + "ffn.w2.weight", {width, inner});
    layer.up = make(prefix + "ffn.w3.weight", {inner, width});
  }
  final_gain_ = make("ln_final.weight", {width});
  head_ = make("lm_head.weight", {vocabulary, width});

  const int64_t head_width = width / heads_;
  const at::Tensor exponent = at::arange(0, head_width, 2, fp32).neg().div(head_width);
  const at::Tensor inverse = at::pow(kRotaryTheta, exponent);  // (d_h / 2)
  const int64_t context = model.context_length();
  const at::Tensor angle = at::outer(at::arange(context, fp32), inverse);  // (T, d_h / 2)
  cos_ = angle.cos();
  sin_ = angle.sin();
}

at::Tensor Transformer::Forward(const at::Tensor& ids) const {
  at::Tensor x = at::embedding(embeddings_, ids);  // (B, T, d)
  for (const Layer& layer : layers_) {
    x = x.add(Attend(layer, RmsNorm(x, layer.attention_gain)));
    x = x.add(FeedForward(RmsNorm(x, layer.feed_forward_gain), layer.gate, layer.down, layer.up));
  }
  return at::linear(RmsNorm(x, final_gain_), head_);  // (B, T, V)
}

// (B, T, d) -> (B, h, T, d_h).
at::Tensor Transformer::SplitHeads(const at::Tensor& x) const {
  return x.view({x.size(0), x.size(1), heads_, x.size(2) / heads_}).transpose(1, 2);
}

// Turns the pair (2p, 2p + 1) of each token t of x (B, h, T, d_h) by the angle t * theta^(-2p /
// d_h). The result has the first entries of all pairs, then the second ones: the same order for
// queries and keys, so that their products do not change.
at::Tensor Transformer::Rotate(const at::Tensor& x) const {
  const int64_t context = x.size(-2);
  const at::Tensor pairs = x.unflatten(-1, {-1, 2});
  const at::Tensor a = pairs.select(-1, 0);
  const at::Tensor b = pairs.select(-1, 1);
  const at::Tensor cos = cos_.slice(0, 0, context);
  const at::Tensor sin = sin_.slice(0, 0, context);
  const at::Tensor first = a.mul(cos).sub(b.mul(sin));
  const at::Tensor second = a.mul(sin).add(b.mul(cos));
  return at::cat({first, second}, -1).to(x.scalar_type());
}

// x (B, T, d).
Transformer::Heads Transformer::Project(const Layer& layer, const at::Tensor& x) const {
  return {Rotate(SplitHeads(at::linear(x, layer.query))),
          Rotate(SplitHeads(at::linear(x, layer.key))), SplitHeads(at::linear(x, layer.value))};
}

// x (B, T, d).
at::Tensor Transformer::Attend(const Layer& layer, const at::Tensor& x) const {
  const auto [q, k, v] = Project(layer, x);  // (B, h, T, d_h)
  at::Tensor out;                            // (B, h, T, d_h)
  if (sdpa_) {
    out = at::scaled_dot_product_attention(q, k, v, /*attn_mask=*/{}, /*dropout_p=*/0.0,
                                           /*is_causal=*/true);
  } else {
    const double scale = std::sqrt(static_cast<double>(q.size(-1)));
    out = MaskedSoftmaxTimes(q.matmul(k.transpose(-2, -1)).div(scale), v);
  }
  out = out.transpose(1, 2).contiguous().view(x.sizes());  // (B, T, d)
  return at::linear(out, layer.output);
}

int64_t Transformer::ChosenSdpa(const at::Tensor& ids) const {
  const Layer& first = layers_.front();
  const at::Tensor x = at::embedding(embeddings_, ids);  // (B, T, d)
  const Heads heads = Project(first, RmsNorm(x, first.attention_gain));
  return at::_fused_sdp_choice(heads.query, heads.key, heads.value, /*attn_mask=*/{},
                               /*dropout_p=*/0.0, /*is_causal=*/true);
}

uint64_t Transformer::ParameterCount() const {
  uint64_t count = 0;
  for (const Parameter& parameter : parameters_) {
    count += static_cast<uint64_t>(parameter.tensor.numel());
  }
  return count;
}

at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& targets) {
  const at::Tensor flat = logits.reshape({-1, logits.size(-1)});  // (B * T, V)
  const at::Tensor shifted = flat.sub(flat.amax(-1, /*keepdim=*/true));
  const at::Tensor picked = shifted.gather(1, targets.reshape({-1, 1})).squeeze(1);  // (B * T)
  return shifted.exp().sum(-1).log().sub(picked).mean();
}

}  // namespace torchlap::worker
