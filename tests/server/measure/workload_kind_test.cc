#include "server/measure/workload_kind.h"

#include <gtest/gtest.h>

#include <limits>

#include "server/measure/presets.h"

namespace torchlap::measure {
namespace {

v1::Workload Shaped(uint32_t layers, uint32_t heads, uint32_t d_model, uint32_t d_ff) {
  v1::Workload workload;
  v1::TransformerLm& model = *workload.mutable_transformer_lm();
  model.set_layers(layers);
  model.set_heads(heads);
  model.set_d_model(d_model);
  model.set_d_ff(d_ff);
  return workload;
}

double Flops(const v1::Workload& workload) { return KindOf(workload).StepFlops(workload); }

TEST(StepFlops, FollowTheFormulaAndTripleWithABackward) {
  v1::Workload workload = Shaped(2, 1, 4, 8);
  v1::TransformerLm& model = *workload.mutable_transformer_lm();
  model.set_vocab_size(10);
  model.set_batch_size(3);
  model.set_context_length(5);
  model.set_pass_type(v1::PASS_TYPE_FORWARD);
  // 2*3*5*(2*(4*16 + 3*4*8) + 10*4) + 4*2*3*25*4
  EXPECT_EQ(Flops(workload), 30 * (2 * (64 + 96) + 40) + 2400);
  const double forward = Flops(workload);
  model.set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  EXPECT_EQ(Flops(workload), 3 * forward);
  model.set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  EXPECT_EQ(Flops(workload), 3 * forward) << "the optimizer is counted in bytes";
}

TEST(ResidentBytes, AreWeightsThenGradientsThenTwoMoments) {
  v1::Workload workload;
  v1::TransformerLm& model = *workload.mutable_transformer_lm();
  model.set_preset("2.7B");
  ASSERT_TRUE(ResolveShape(&model).ok());
  constexpr uint64_t kParameters = 3406809600;
  model.set_pass_type(v1::PASS_TYPE_FORWARD);
  EXPECT_EQ(ResidentBytes(workload), 4 * kParameters);
  model.set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  EXPECT_EQ(ResidentBytes(workload), 8 * kParameters);
  model.set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  EXPECT_EQ(ResidentBytes(workload), 16 * kParameters);
  model.set_precision(v1::PRECISION_BF16);
  EXPECT_EQ(ResidentBytes(workload), 16 * kParameters) << "autocast keeps fp32 weights";
  model.set_precision(v1::PRECISION_BF16_WEIGHTS);
  EXPECT_EQ(ResidentBytes(workload), 8 * kParameters);
}

TEST(ResidentBytes, OfTheLargestShapeDoNotWrapAround) {
  v1::Workload workload = Shaped(1048576, 1, 1048576, 1048576);
  workload.mutable_transformer_lm()->set_vocab_size(1048576);
  workload.mutable_transformer_lm()->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  EXPECT_EQ(ResidentBytes(workload), std::numeric_limits<uint64_t>::max());
}

TEST(WorkloadKind, OfACalibrationHasNoSizesNoStepsAndNoModel) {
  v1::Workload workload;
  workload.mutable_calibration()->set_matrix_size(1024);
  const WorkloadKind& kind = KindOf(workload);
  EXPECT_EQ(SizeOf(workload).batch_size, 0U);
  EXPECT_EQ(SizeOf(workload).context_length, 0U);
  EXPECT_EQ(kind.StepTokens(workload), 0);
  EXPECT_EQ(kind.StepFlops(workload), 0);
  EXPECT_EQ(ResidentBytes(workload), 0U);
  EXPECT_EQ(kind.Precision(workload), v1::PRECISION_UNSPECIFIED);
  EXPECT_FALSE(kind.WithBf16Weights(workload));
}

TEST(WorkloadKind, OfATransformerHasItsSizesItsTokensAndALighterForm) {
  v1::Workload workload = Shaped(2, 1, 4, 8);
  workload.mutable_transformer_lm()->set_batch_size(3);
  workload.mutable_transformer_lm()->set_context_length(5);
  workload.mutable_transformer_lm()->set_precision(v1::PRECISION_BF16);
  EXPECT_EQ(SizeOf(workload).batch_size, 3U);
  EXPECT_EQ(SizeOf(workload).context_length, 5U);
  EXPECT_EQ(KindOf(workload).StepTokens(workload), 15);
  const auto lighter = KindOf(workload).WithBf16Weights(workload);
  ASSERT_TRUE(lighter);
  EXPECT_EQ(KindOf(*lighter).Precision(*lighter), v1::PRECISION_BF16_WEIGHTS);
  EXPECT_EQ(2 * ResidentBytes(*lighter), ResidentBytes(workload));
  EXPECT_FALSE(KindOf(*lighter).WithBf16Weights(*lighter));
}

}  // namespace
}  // namespace torchlap::measure
