#include "server/worker/transformer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "server/measure/presets.h"
#include "server/worker/initialisation.h"
#include "tests/server/worker/tiny_workload.h"

namespace torchlap::worker {
namespace {

Transformer TinyTransformer(const v1::TransformerLm& model = TinyModel()) {
  Seed(1);
  return Transformer(model, at::kCPU, at::kFloat, InitialiseParameter);
}

TEST(TransformerTest, TheNumberOfParametersIsThatOfTheFormula) {
  EXPECT_EQ(TinyTransformer().ParameterCount(), measure::ParameterCount(TinyModel()));
  v1::TransformerLm wide = TinyModel();
  wide.set_layers(3);
  wide.set_d_model(24);
  wide.set_heads(3);
  wide.set_d_ff(40);
  wide.set_vocab_size(101);
  EXPECT_EQ(TinyTransformer(wide).ParameterCount(), measure::ParameterCount(wide));
}

// The tables of the CS336 systems assignment, 2025 and 2026.
TEST(TransformerTest, EveryPresetHasItsPublishedNumberOfParameters) {
  const std::map<std::string, uint64_t> published = {
      {"cs336-2025/small", 128'625'408},  {"cs336-2025/medium", 423'183'360},
      {"cs336-2025/large", 969'411'840},  {"cs336-2025/xl", 1'998'235'200},
      {"cs336-2025/2.7B", 3'406'809'600}, {"cs336-2026/small", 128'625'408},
      {"cs336-2026/medium", 423'183'360}, {"cs336-2026/large", 969'411'840},
      {"cs336-2026/xl", 3'406'809'600},   {"cs336-2026/10B", 12'832'823'808},
  };
  for (const auto& [name, parameters] : published) {
    v1::TransformerLm workload;
    workload.set_preset(name);
    workload.set_context_length(8);
    ASSERT_TRUE(measure::ResolveShape(&workload).ok()) << name;
    // Tensors on the device `meta` have shapes but no memory.
    const Transformer model(workload, at::kMeta, at::kFloat, [](auto&&...) {});
    EXPECT_EQ(model.ParameterCount(), parameters) << name;
    EXPECT_EQ(measure::ParameterCount(workload), parameters) << name;
  }
}

TEST(TransformerTest, LogitsHaveOneRowForEachToken) {
  const Transformer model = TinyTransformer();
  const at::Tensor logits = model.Forward(RandomTokens(31, 2, 8, at::kCPU));
  EXPECT_EQ(logits.sizes(), at::IntArrayRef({2, 8, 31}));
}

TEST(TransformerTest, ChangingALaterTokenLeavesEarlierLogitsUnchanged) {
  for (const v1::Attention attention : {v1::ATTENTION_EXPLICIT, v1::ATTENTION_SDPA}) {
    v1::TransformerLm workload = TinyModel();
    workload.set_attention(attention);
    const c10::NoGradGuard no_grad;
    const Transformer model = TinyTransformer(workload);
    const at::Tensor ids = RandomTokens(31, 1, 8, at::kCPU);
    at::Tensor changed = ids.clone();
    changed.index_put_({0, 5}, (ids[0][5] + 1).remainder(31));
    const at::Tensor before = model.Forward(ids)[0];  // (T, V)
    const at::Tensor after = model.Forward(changed)[0];
    EXPECT_TRUE(before.slice(0, 0, 5).equal(after.slice(0, 0, 5)));
    EXPECT_FALSE(before[5].equal(after[5]));
    EXPECT_FALSE(before[7].equal(after[7]));
  }
}

TEST(TransformerTest, BothAttentionsComputeTheSameLogits) {
  const c10::NoGradGuard no_grad;
  v1::TransformerLm sdpa = TinyModel();
  sdpa.set_attention(v1::ATTENTION_SDPA);
  const at::Tensor ids = RandomTokens(31, 2, 8, at::kCPU);
  const at::Tensor expected = TinyTransformer().Forward(ids);
  EXPECT_TRUE(TinyTransformer(sdpa).Forward(ids).allclose(expected, 1e-4, 1e-5));
}

TEST(TransformerTest, AShorterInputThanTheContextGivesTheSameLogits) {
  const c10::NoGradGuard no_grad;
  const Transformer model = TinyTransformer();
  const at::Tensor ids = RandomTokens(31, 1, 8, at::kCPU);
  const at::Tensor whole = model.Forward(ids);
  EXPECT_TRUE(model.Forward(ids.slice(1, 0, 4)).allclose(whole.slice(1, 0, 4), 1e-4, 1e-5));
}

TEST(TransformerTest, TheOrderOfTokensMatters) {
  const c10::NoGradGuard no_grad;
  const Transformer model = TinyTransformer();
  const at::Tensor ids = at::tensor({1, 2, 3, 4}, at::kLong).view({1, 4});
  const at::Tensor swapped = at::tensor({2, 1, 3, 4}, at::kLong).view({1, 4});
  EXPECT_FALSE(model.Forward(ids)[0][3].allclose(model.Forward(swapped)[0][3], 1e-4, 1e-5));
}

TEST(TransformerTest, CrossEntropyIsTheMeanOfNegativeLogSoftmaxAtTheTargets) {
  const at::Tensor logits = at::randn({2, 3, 5}) * 10;
  const at::Tensor targets = at::randint(5, {2, 3}, at::kLong);
  const at::Tensor expected =
      at::cross_entropy_loss(logits.view({6, 5}), targets.view({6})).to(at::kDouble);
  EXPECT_NEAR(CrossEntropy(logits, targets).item<double>(), expected.item<double>(), 1e-5);
}

}  // namespace
}  // namespace torchlap::worker
