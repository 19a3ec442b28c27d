// Two ways to compute the same, held to each other on the oracle's models.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "server/worker/adamw.h"
#include "server/worker/precision.h"
#include "server/worker/training_step.h"
#include "server/worker/transformer.h"
#include "tests/server/worker/oracle_model.h"

namespace torchlap::worker {
namespace {

constexpr int kSteps = 10;
constexpr double kLearningRate = 1e-3;

// The course's update with eps where the fused kernel has it (see below).
class AdamWWithFusedEpsilon final : public AdamW {
 public:
  explicit AdamWWithFusedEpsilon(std::vector<at::Tensor> parameters)
      : parameters_(std::move(parameters)) {
    for (const at::Tensor& parameter : parameters_) {
      first_.push_back(at::zeros_like(parameter));
      second_.push_back(at::zeros_like(parameter));
    }
  }

  void Step() override {
    const at::NoGradGuard no_grad;
    ++step_;
    const double correction = std::sqrt(1 - std::pow(0.999, step_));
    const double rate = kLearningRate * correction / (1 - std::pow(0.9, step_));
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const at::Tensor& gradient = parameters_[i].grad();
      parameters_[i].mul_(1 - kLearningRate * 0.01);
      first_[i].mul_(0.9).add_(gradient, 0.1);
      second_[i].mul_(0.999).addcmul_(gradient, gradient, 0.001);
      parameters_[i].addcdiv_(first_[i], second_[i].sqrt().add_(1e-8 * correction), -rate);
    }
  }

 private:
  std::vector<at::Tensor> parameters_, first_, second_;
  int step_ = 0;
};

enum class Update { kOfWorkload, kFusedEpsilon };

class Nothing : public PhaseListener {
  void Enter(v1::Phase) override {}
  void Leave() override {}
};

// A model of the oracle, and the training of it.
class Training {
 public:
  explicit Training(v1::TransformerLm workload, Update update = Update::kOfWorkload)
      : workload_(std::move(workload)),
        model_(workload_, c10::DeviceType::CPU, WeightsType(workload_.precision()),
               [this](const std::string&, const at::Tensor& tensor) {
                 FillOracleParameter(++parameter_number_, tensor);
               }),
        optimizer_(MakeOptimizer(update)),
        ids_(OracleIds(workload_)),
        step_(workload_, &model_, optimizer_.get(), ids_, OracleTargets(workload_)) {}

  // Loss before the update of the step.
  double Step() {
    Nothing listener;
    step_.Prepare();
    return step_.Run(&listener).item<double>();
  }

  std::vector<double> Steps() {
    std::vector<double> losses(kSteps);
    for (double& loss : losses) loss = Step();
    return losses;
  }

  // (B, T, V), in double.
  at::Tensor Logits() const {
    const c10::NoGradGuard no_grad;
    return model_.Forward(ids_).to(at::kDouble);
  }

  // All parameters, one after another.
  at::Tensor Parameters() const {
    std::vector<at::Tensor> flat;
    for (const Parameter& parameter : model_.parameters()) {
      flat.push_back(parameter.tensor.detach().to(at::kDouble).flatten());
    }
    return at::cat(flat);
  }

 private:
  std::unique_ptr<AdamW> MakeOptimizer(Update update) const {
    std::vector<at::Tensor> tensors;
    for (const Parameter& parameter : model_.parameters()) tensors.push_back(parameter.tensor);
    if (update == Update::kOfWorkload) return MakeAdamW(workload_.optimizer(), std::move(tensors));
    return std::make_unique<AdamWWithFusedEpsilon>(std::move(tensors));
  }

  const v1::TransformerLm workload_;
  int64_t parameter_number_ = 0;
  const Transformer model_;
  const std::unique_ptr<AdamW> optimizer_;
  const at::Tensor ids_;  // (B, T)
  TrainingStep step_;
};

class AgreementTest : public ::testing::TestWithParam<const char*> {
 protected:
  const v1::TransformerLm workload_ =
      OracleWorkload(ReadVectors(std::string(TORCHLAP_GOLDEN_DIR) + "/" + GetParam()));
};

double LargestRelativeDifference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a[i] - b[i]) / std::abs(b[i]));
  }
  return largest;
}

TEST_P(AgreementTest, TheLossInBf16IsWithinTwoPercentOfThatInFp32) {
  v1::TransformerLm bf16 = workload_;
  bf16.set_precision(v1::PRECISION_BF16);
  const std::vector<double> in_bf16 = Training(bf16).Steps();
  const std::vector<double> in_fp32 = Training(workload_).Steps();
  EXPECT_NE(in_bf16, in_fp32) << "it was not computed in bf16";
  const double difference = LargestRelativeDifference(in_bf16, in_fp32);
  EXPECT_LT(difference, 0.02);
}

TEST_P(AgreementTest, SdpaEqualsExplicitAttention) {
  v1::TransformerLm sdpa = workload_;
  sdpa.set_attention(v1::ATTENTION_SDPA);
  Training with_sdpa(sdpa), with_explicit(workload_);
  // Steps between them, so that its gradients are held to the others' too.
  for (int step = 0; step < 3; ++step) {
    const at::Tensor logits = with_explicit.Logits();
    const auto largest = logits.abs().max().item<double>();
    const auto difference = (with_sdpa.Logits() - logits).abs().max().item<double>();
    EXPECT_LT(difference, 1e-4 * largest) << "step " << step;
    const double loss = with_explicit.Step();
    EXPECT_NEAR(with_sdpa.Step(), loss, 1e-4 * loss) << "step " << step;
  }
}

// Both decay first, by the same factor, and their moments are the same. They differ in eps: the
// course adds it to sqrt(v), whose bias is not corrected; the fused kernel, as torch.optim.AdamW,
// to sqrt(v) / sqrt(1 - beta2^t). Over the same denominator the fused eps is sqrt(1 - beta2^t)
// times the course's: 0.03 of it in the first step, 0.1 of it in the tenth. The course's steps are
// shorter by a share of about eps / sqrt(v), which after one step is 3e-7 / |g|: one per cent where
// the gradient is 3e-5, half where it is 3e-7; entries with larger gradients move the same. With
// eps in the same place ten steps agree to the rounding of floats, in which the two differ by the
// order of their operations.
TEST_P(AgreementTest, FusedAdamWDiffersFromTheCoursesInThePlaceOfEpsAlone) {
  v1::TransformerLm workload = workload_;
  workload.set_optimizer(v1::OPTIMIZER_FUSED);
  Training fused(workload), course(workload_), moved_eps(workload_, Update::kFusedEpsilon);
  const std::vector<double> fused_losses = fused.Steps();
  const std::vector<double> course_losses = course.Steps();
  EXPECT_LT(fused_losses.back(), 0.95 * fused_losses.front()) << "it was not trained";

  EXPECT_LT(LargestRelativeDifference(course_losses, fused_losses), 1e-3);
  const at::Tensor difference = (course.Parameters() - fused.Parameters()).abs();
  EXPECT_LT(difference.mean().item<double>(), 0.1 * kLearningRate);
  EXPECT_LT(difference.max().item<double>(), kSteps * kLearningRate);
  EXPECT_GT(difference.max().item<double>(), 0.1 * kLearningRate) << "eps stands in one place";

  EXPECT_LT(LargestRelativeDifference(moved_eps.Steps(), fused_losses), 1e-6);
  const at::Tensor rounding = (moved_eps.Parameters() - fused.Parameters()).abs();
  EXPECT_LT(rounding.max().item<double>(), 0.01 * kLearningRate);
  EXPECT_LT(rounding.mean().item<double>(), 1e-5 * kLearningRate);
}

INSTANTIATE_TEST_SUITE_P(Oracle, AgreementTest,
                         ::testing::Values("vectors-a.json", "vectors-b.json"));

}  // namespace
}  // namespace torchlap::worker
