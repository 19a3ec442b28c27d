#include "client/cost.h"

#include <gtest/gtest.h>

namespace torchlap::client {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// 3,040 FLOPs a token and 15 tokens, forward.
v1::Workload TinyModel() {
  v1::Workload workload;
  v1::TransformerLm* model = workload.mutable_transformer_lm();
  model->set_layers(2);
  model->set_heads(2);
  model->set_d_model(8);
  model->set_d_ff(16);
  model->set_vocab_size(10);
  model->set_batch_size(3);
  model->set_context_length(5);
  model->set_pass_type(v1::PASS_TYPE_FORWARD);
  model->set_precision(v1::PRECISION_FP32);
  return workload;
}

v1::JobSpec TenSteps(v1::Precision precision) {
  v1::JobSpec spec;
  *spec.mutable_workload() = TinyModel();
  spec.mutable_workload()->mutable_transformer_lm()->set_precision(precision);
  spec.mutable_plan()->set_warmup_steps(4);
  spec.mutable_plan()->set_measure_steps(6);
  return spec;
}

v1::Run Ended(const v1::JobSpec& spec, double step_seconds) {
  v1::Run run;
  *run.mutable_workload() = spec.workload();
  *run.mutable_plan() = spec.plan();
  run.set_outcome(v1::OUTCOME_OK);
  run.mutable_step()->set_mean_ns(step_seconds * kSecondNs);
  return run;
}

TEST(StepFlops, CountTheProductsOfTheModel) {
  v1::Workload workload = TinyModel();
  v1::TransformerLm* model = workload.mutable_transformer_lm();
  // A layer: 8 d^2 + 6 d f + 4 d T = 512 + 768 + 160; the head: 2 d V = 160.
  EXPECT_EQ(*StepFlops(workload), 15 * (2 * 1440 + 160));
  for (const v1::PassType pass : {v1::PASS_TYPE_FORWARD_BACKWARD, v1::PASS_TYPE_TRAIN_STEP}) {
    model->set_pass_type(pass);
    EXPECT_EQ(*StepFlops(workload), 3 * 15 * (2 * 1440 + 160));
  }
  model->set_pass_type(v1::PASS_TYPE_FORWARD);
  model->set_context_length(50);
  EXPECT_EQ(*StepFlops(workload), 150 * (2 * (512 + 768 + 1600) + 160)) << "scores grow twice";
  EXPECT_FALSE(StepFlops({}).has_value());
}

TEST(Pace, OfAPrecisionThatWasNotSeenIsThatOfAllRuns) {
  Pace pace;
  pace.Learn(Ended(TenSteps(v1::PRECISION_FP32), 1));
  v1::JobSpec asked = TenSteps(v1::PRECISION_BF16);
  EXPECT_DOUBLE_EQ(*pace.LaunchSeconds(asked), 10);
  asked.mutable_workload()->mutable_transformer_lm()->set_batch_size(6);
  EXPECT_DOUBLE_EQ(*pace.LaunchSeconds(asked), 20) << "twice the tokens";
  pace.Learn(Ended(TenSteps(v1::PRECISION_TF32), 0.2));
  EXPECT_DOUBLE_EQ(*pace.LaunchSeconds(asked), 2 * (10 + 2) / 2.0) << "of both";
  pace.Learn(Ended(TenSteps(v1::PRECISION_BF16), 0.1));
  EXPECT_DOUBLE_EQ(*pace.LaunchSeconds(asked), 2) << "of its own, once there is one";
}

}  // namespace
}  // namespace torchlap::client
