#include "server/worker/precision.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>

#include "server/worker/initialisation.h"
#include "server/worker/training_step.h"
#include "tests/server/worker/tiny_workload.h"

namespace torchlap::worker {
namespace {

class NoListener : public PhaseListener {
  void Enter(v1::Phase) override {}
  void Leave() override {}
};

struct Trained {
  double loss;
  at::ScalarType loss_type, weight_type, gradient_type;
};

// One training step of the tiny model.
Trained Train(v1::Precision precision, v1::Attention attention = v1::ATTENTION_EXPLICIT) {
  v1::TransformerLm workload = TinyModel();
  workload.set_precision(precision);
  workload.set_attention(attention);
  Seed(1);
  const Transformer model(workload, at::kCPU, WeightsType(precision), InitialiseParameter);
  std::vector<at::Tensor> tensors;
  for (const Parameter& parameter : model.parameters()) tensors.push_back(parameter.tensor);
  const auto optimizer = MakeAdamW(v1::OPTIMIZER_COURSE, tensors);
  TrainingStep step(workload, &model, optimizer.get(), RandomTokens(31, 2, 8, at::kCPU),
                    RandomTokens(31, 2, 8, at::kCPU));
  NoListener listener;
  const at::Tensor loss = step.Run(&listener);
  return {loss.item<double>(), loss.scalar_type(), tensors[0].scalar_type(),
          tensors[0].grad().scalar_type()};
}

TEST(PrecisionTest, AutocastKeepsWeightsAndGradientsInFullPrecision) {
  for (const v1::Precision precision : {v1::PRECISION_BF16, v1::PRECISION_FP16}) {
    const Trained trained = Train(precision);
    EXPECT_EQ(trained.weight_type, at::kFloat);
    EXPECT_EQ(trained.gradient_type, at::kFloat);
    EXPECT_EQ(trained.loss_type, *AutocastType(precision));
  }
}

TEST(PrecisionTest, Bf16WeightsHasGradientsInBf16Too) {
  const Trained trained = Train(v1::PRECISION_BF16_WEIGHTS);
  EXPECT_EQ(trained.weight_type, at::kBFloat16);
  EXPECT_EQ(trained.gradient_type, at::kBFloat16);
}

TEST(PrecisionTest, EveryPrecisionComputesNearlyTheSameLossWithBothAttentions) {
  const double expected = Train(v1::PRECISION_FP32).loss;
  for (const v1::Precision precision :
       {v1::PRECISION_FP32, v1::PRECISION_BF16, v1::PRECISION_FP16, v1::PRECISION_BF16_WEIGHTS}) {
    EXPECT_NEAR(Train(precision).loss, expected, 0.05 * expected);
    EXPECT_NEAR(Train(precision, v1::ATTENTION_SDPA).loss, expected, 0.05 * expected);
  }
}

TEST(PrecisionTest, AutocastEndsWithItsScope) {
  const at::Tensor a = at::ones({4, 4});
  {
    const AutocastScope scope(at::kCPU, at::kBFloat16);
    EXPECT_EQ(a.matmul(a).scalar_type(), at::kBFloat16);
  }
  EXPECT_EQ(a.matmul(a).scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace torchlap::worker
