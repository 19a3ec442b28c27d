#include "server/worker/initialisation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "server/worker/adamw.h"
#include "server/worker/training_step.h"
#include "server/worker/transformer.h"
#include "tests/server/worker/tiny_workload.h"

namespace torchlap::worker {
namespace {

class NoListener : public PhaseListener {
  void Enter(v1::Phase) override {}
  void Leave() override {}
};

double LossOfSeed(uint64_t seed) {
  v1::TransformerLm workload = TinyModel();
  workload.set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  Seed(seed);
  const Transformer model(workload, at::kCPU, at::kFloat, InitialiseParameter);
  const at::Tensor ids = RandomTokens(31, 2, 8, at::kCPU);
  TrainingStep step(workload, &model, nullptr, ids, RandomTokens(31, 2, 8, at::kCPU));
  NoListener listener;
  return step.Run(&listener).item<double>();
}

TEST(InitialisationTest, TheSameSeedGivesTheSameLoss) { EXPECT_EQ(LossOfSeed(7), LossOfSeed(7)); }

TEST(InitialisationTest, AnotherSeedGivesAnotherLoss) { EXPECT_NE(LossOfSeed(7), LossOfSeed(8)); }

TEST(InitialisationTest, GainsAreOne) {
  const at::Tensor gain = at::zeros({5});
  InitialiseParameter("ln_final.weight", gain);
  EXPECT_TRUE(gain.equal(at::ones({5})));
}

// Standard deviation of a normal distribution cut at 3 of its own: sqrt(1 - 2 * 3 * phi(3) / (2 *
// Phi(3) - 1)).
constexpr double kCutStd = 0.98658;

TEST(InitialisationTest, EmbeddingsAreStandardNormalCutAtThree) {
  Seed(3);
  const at::Tensor weights = at::empty({1000, 200});
  InitialiseParameter("token_embeddings.weight", weights);
  EXPECT_NEAR(weights.mean().item<double>(), 0.0, 0.01);
  EXPECT_NEAR(weights.std().item<double>(), kCutStd, 0.01);
  EXPECT_LE(weights.abs().max().item<double>(), 3.0);
  EXPECT_GT(weights.abs().max().item<double>(), 2.9);
}

TEST(InitialisationTest, OtherWeightsAreScaledByTheirSizesAndCutAtThreeDeviations) {
  Seed(3);
  const at::Tensor weights = at::empty({300, 500});
  InitialiseParameter("layers.0.ffn.w1.weight", weights);
  const double std = std::sqrt(2.0 / 800);
  EXPECT_NEAR(weights.std().item<double>(), kCutStd * std, 0.01 * std);
  EXPECT_LE(weights.abs().max().item<double>(), 3.0001 * std);
  EXPECT_GT(weights.abs().max().item<double>(), 2.9 * std);
}

TEST(InitialisationTest, TokensCoverTheVocabularyAndNothingElse) {
  const at::Tensor tokens = RandomTokens(5, 10, 100, at::kCPU);
  EXPECT_EQ(tokens.min().item<int64_t>(), 0);
  EXPECT_EQ(tokens.max().item<int64_t>(), 4);
  EXPECT_EQ(tokens.scalar_type(), at::kLong);
}

}  // namespace
}  // namespace torchlap::worker
