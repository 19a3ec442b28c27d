#include "server/measure/forecast.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

v1::Workload Model(v1::PassType pass, uint32_t batch, uint32_t context) {
  v1::Workload workload;
  v1::TransformerLm* model = workload.mutable_transformer_lm();
  model->set_vocab_size(10'000);
  model->set_d_model(64);
  model->set_d_ff(128);
  model->set_layers(2);
  model->set_heads(2);
  model->set_pass_type(pass);
  model->set_precision(v1::PRECISION_FP32);
  model->set_batch_size(batch);
  model->set_context_length(context);
  return workload;
}

// Of 10 steps of `step_ns`, with 500 ns beside them.
TimedRun Timed(double step_ns, double step_flops = 0,
               v1::Precision precision = v1::PRECISION_FP32) {
  return {precision, step_flops, 10, step_ns, 500 + 10 * step_ns};
}

TEST(ForecastTest, ALargeBatchMustHoldItsLogitsBesideTheWeights) {
  const v1::Workload small = Model(v1::PASS_TYPE_FORWARD, 1, 1);
  const uint64_t weights = ResidentBytes(small);
  EXPECT_EQ(LeastHeldBytes(small), weights + 4 * 10'000);
  EXPECT_EQ(LeastHeldBytes(Model(v1::PASS_TYPE_FORWARD, 8, 512)),
            weights + uint64_t{4} * 8 * 512 * 10'000);
  v1::Workload half = Model(v1::PASS_TYPE_FORWARD, 8, 512);
  half.mutable_transformer_lm()->set_precision(v1::PRECISION_BF16);
  EXPECT_EQ(LeastHeldBytes(half), weights + uint64_t{2} * 8 * 512 * 10'000);
}

TEST(ForecastTest, GradientsAreNotHeldWithTheLogitsButAreTheLeastOfASmallBatch) {
  const v1::Workload small = Model(v1::PASS_TYPE_TRAIN_STEP, 1, 1);
  EXPECT_EQ(LeastHeldBytes(small), ResidentBytes(small));
  const v1::Workload large = Model(v1::PASS_TYPE_TRAIN_STEP, 64, 512);
  const v1::MemoryParts parts = KindOf(large).Resident(large);
  EXPECT_EQ(LeastHeldBytes(large),
            parts.weights_bytes() + parts.optimizer_bytes() + uint64_t{4} * 64 * 512 * 10'000);
}

TEST(ForecastTest, TheTimeOfASeriesIsThatOfItsStepsAndOfWhatIsBesideThem) {
  EXPECT_FALSE(TimeBySeries({}, 10).has_value());
  const auto estimate = TimeBySeries({Timed(100), Timed(102), Timed(900)}, 20);
  ASSERT_TRUE(estimate.has_value());
  EXPECT_DOUBLE_EQ(estimate->launch_ns, 500 + 20 * 102);
  EXPECT_EQ(estimate->runs, 3U);
}

TEST(ForecastTest, StepsThatOverlapTheirRunHaveNothingBesideThem) {
  TimedRun run = Timed(100);
  run.duration_ns = 900;
  EXPECT_DOUBLE_EQ(TimeBySeries({run}, 5)->launch_ns, 500);
}

TEST(ForecastTest, OtherSizesAreScaledByTheirFlops) {
  const auto estimate = TimeByFlops({Timed(100, 1000)}, v1::PRECISION_FP32, 3000, 10);
  ASSERT_TRUE(estimate.has_value());
  EXPECT_DOUBLE_EQ(estimate->launch_ns, 500 + 10 * 300);
  EXPECT_EQ(estimate->runs, 1U);
  EXPECT_FALSE(TimeByFlops({Timed(100, 1000)}, v1::PRECISION_FP32, 0, 10).has_value());
  EXPECT_FALSE(TimeByFlops({Timed(100, 0)}, v1::PRECISION_FP32, 3000, 10).has_value());
}

TEST(ForecastTest, RunsOfTheSamePrecisionAndOfTheMostSimilarSizeAreTaken) {
  std::vector<TimedRun> runs = {Timed(1, 3000, v1::PRECISION_BF16)};
  for (int i = 0; i < 5; ++i) runs.push_back(Timed(600, 3000));
  for (int i = 0; i < 9; ++i) runs.push_back(Timed(9e9, 3));
  const auto estimate = TimeByFlops(runs, v1::PRECISION_FP32, 3000, 10);
  EXPECT_DOUBLE_EQ(estimate->launch_ns, 500 + 10 * 600);
  EXPECT_EQ(estimate->runs, kClosest);
  EXPECT_DOUBLE_EQ(TimeByFlops(runs, v1::PRECISION_BF16, 6000, 10)->launch_ns, 500 + 10 * 2);
  EXPECT_EQ(TimeByFlops(runs, v1::PRECISION_FP16, 3000, 10)->runs, kClosest)
      << "of another precision where there is none";
}

TEST(ForecastTest, ToysBesideTheClosestRunSayNothing) {
  std::vector<TimedRun> runs = {Timed(1000, 10'000)};
  for (int i = 0; i < 4; ++i) runs.push_back(Timed(50, 10));
  const auto estimate = TimeByFlops(runs, v1::PRECISION_FP32, 30'000, 10);
  EXPECT_DOUBLE_EQ(estimate->launch_ns, 500 + 10 * 3000);
  EXPECT_EQ(estimate->runs, 1U);
  runs.push_back(Timed(250, 2500));
  EXPECT_EQ(TimeByFlops(runs, v1::PRECISION_FP32, 30'000, 10)->runs, 2U) << "four times is near";
  EXPECT_EQ(TimeByFlops(runs, v1::PRECISION_FP32, 1, 10)->runs, 4U) << "far is better than nothing";
}

}  // namespace
}  // namespace torchlap::measure
