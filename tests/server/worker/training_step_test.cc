#include "server/worker/training_step.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "server/worker/initialisation.h"
#include "tests/server/worker/tiny_workload.h"

namespace torchlap::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// Every phase with whether gradients were recorded when it began.
class Recorded : public PhaseListener {
 public:
  void Enter(v1::Phase phase) override { phases.emplace_back(phase, c10::GradMode::is_enabled()); }
  void Leave() override { ++steps; }

  std::vector<std::pair<v1::Phase, bool>> phases;
  int steps = 0;
};

class TrainingStepTest : public ::testing::Test {
 protected:
  TrainingStep Make(v1::PassType pass) {
    workload_.set_pass_type(pass);
    Seed(1);
    model_ = std::make_unique<Transformer>(workload_, at::kCPU, at::kFloat, InitialiseParameter);
    std::vector<at::Tensor> tensors;
    for (const Parameter& parameter : model_->parameters()) tensors.push_back(parameter.tensor);
    optimizer_ = MakeAdamW(v1::OPTIMIZER_COURSE, tensors);
    return TrainingStep(workload_, model_.get(), optimizer_.get(), RandomTokens(31, 2, 8, at::kCPU),
                        RandomTokens(31, 2, 8, at::kCPU));
  }

  int Gradients() const {
    int count = 0;
    for (const Parameter& parameter : model_->parameters())
      count += parameter.tensor.grad().defined();
    return count;
  }

  v1::TransformerLm workload_ = TinyModel();
  std::unique_ptr<Transformer> model_;
  std::unique_ptr<AdamW> optimizer_;
  Recorded recorded_;
};

TEST_F(TrainingStepTest, ForwardRecordsNoGradientsAndHasNoLoss) {
  TrainingStep step = Make(v1::PASS_TYPE_FORWARD);
  EXPECT_FALSE(step.Run(&recorded_).defined());
  EXPECT_THAT(recorded_.phases, ElementsAre(Pair(v1::PHASE_FORWARD, false)));
  EXPECT_EQ(recorded_.steps, 1);
  EXPECT_EQ(Gradients(), 0);
}

TEST_F(TrainingStepTest, ForwardBackwardMakesAllGradientsAndChangesNoWeight) {
  TrainingStep step = Make(v1::PASS_TYPE_FORWARD_BACKWARD);
  const at::Tensor before = model_->parameters()[0].tensor.detach().clone();
  const at::Tensor loss = step.Run(&recorded_);
  EXPECT_EQ(loss.dim(), 0);
  EXPECT_FALSE(loss.requires_grad());
  EXPECT_THAT(recorded_.phases,
              ElementsAre(Pair(v1::PHASE_FORWARD, true), Pair(v1::PHASE_LOSS, true),
                          Pair(v1::PHASE_BACKWARD, true)));
  EXPECT_EQ(Gradients(), static_cast<int>(model_->parameters().size()));
  EXPECT_TRUE(model_->parameters()[0].tensor.equal(before));
}

TEST_F(TrainingStepTest, ATrainStepEndsWithTheOptimizerAndLearns) {
  TrainingStep step = Make(v1::PASS_TYPE_TRAIN_STEP);
  const double first = step.Run(&recorded_).item<double>();
  EXPECT_THAT(recorded_.phases,
              ElementsAre(Pair(v1::PHASE_FORWARD, true), Pair(v1::PHASE_LOSS, true),
                          Pair(v1::PHASE_BACKWARD, true), Pair(v1::PHASE_OPTIMIZER, true)));
  double last = first;
  for (int i = 0; i < 10; ++i) {
    step.Prepare();
    last = step.Run(&recorded_).item<double>();
  }
  EXPECT_LT(last, first);
}

TEST_F(TrainingStepTest, PrepareSetsAllGradientsToNone) {
  TrainingStep step = Make(v1::PASS_TYPE_FORWARD_BACKWARD);
  step.Run(&recorded_);
  EXPECT_GT(Gradients(), 0);
  step.Prepare();
  EXPECT_EQ(Gradients(), 0);
}

}  // namespace
}  // namespace torchlap::worker
