#include "client/experiments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchlap::client {
namespace {

using testing::ElementsAre;

SweepWords Small() {
  SweepWords words;
  words.model_sizes = {"small"};
  return words;
}

std::vector<uint32_t> WarmupSteps(const v1::SubmitJobsRequest& request) {
  std::vector<uint32_t> steps;
  for (const v1::JobSpec& job : request.jobs()) steps.push_back(job.plan().warmup_steps());
  return steps;
}

TEST(Warmups, AreAJobForEachNumberOfStepsInRandomOrder) {
  const auto request = BuildWarmups(Small(), {});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->shuffle());
  EXPECT_THAT(WarmupSteps(*request), ElementsAre(0, 1, 2, 5, 10));
  for (const v1::JobSpec& job : request->jobs()) {
    EXPECT_EQ(job.purpose(), v1::PURPOSE_WARMUP);
    EXPECT_EQ(job.workload().transformer_lm().preset(), "small");
  }
}

TEST(Warmups, TakeThePlanAndOtherSteps) {
  SweepWords words = Small();
  words.measure_steps = {"20"};
  words.timing = "combined";
  words.name = "cold";
  const auto request = BuildWarmups(words, {"0", "3..4"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(WarmupSteps(*request), ElementsAre(0, 3, 4));
  EXPECT_EQ(request->sweep_name(), "cold");
  EXPECT_EQ(request->jobs(2).plan().measure_steps(), 20u);
  EXPECT_EQ(request->jobs(2).plan().timing(), v1::TIMING_COMBINED);
}

TEST(Warmups, CompareTwoNumbersAtLeast) {
  EXPECT_EQ(BuildWarmups(Small(), {"5"}).status().message(),
            "--steps is 5, must be two numbers or more to compare, such as 0,1,2,5,10");
  EXPECT_EQ(BuildWarmups(Small(), {"5,5"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BuildWarmups(Small(), {"a"}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Experiments, AreAboutOneWorkload) {
  SweepWords words = Small();
  words.batch_sizes = {"1,2"};
  EXPECT_EQ(BuildFit(words, std::nullopt).status().message(),
            "--batch-size is 1,2, must be one value");
  words.batch_sizes = {"1..4"};
  EXPECT_EQ(BuildWarmups(words, {}).status().message(), "--batch-size is 1..4, must be one value");
  EXPECT_EQ(BuildFit({}, std::nullopt).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Fit, IsAJobThatGrowsTheBatchUnlessToldOtherwise) {
  const auto batch = BuildFit(Small(), std::nullopt);
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->jobs_size(), 1);
  EXPECT_EQ(batch->jobs(0).purpose(), v1::PURPOSE_FIT);
  EXPECT_EQ(batch->jobs(0).fit_axis(), v1::FIT_AXIS_BATCH);
  const auto context = BuildFit(Small(), "context");
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_EQ(context->jobs(0).fit_axis(), v1::FIT_AXIS_CONTEXT);
  EXPECT_EQ(BuildFit(Small(), "layers").status().message(),
            "--axis is layers, must be one of batch, context");
}

TEST(Calibration, NeedsNoModel) {
  SweepWords words;
  words.device = "cpu0";
  const auto request = BuildCalibration(words, "512");
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->jobs_size(), 1);
  const v1::JobSpec& job = request->jobs(0);
  EXPECT_EQ(job.purpose(), v1::PURPOSE_CALIBRATE);
  EXPECT_EQ(job.device(), "cpu0");
  EXPECT_EQ(job.workload().calibration().matrix_size(), 512u);
  EXPECT_TRUE(BuildCalibration({}, std::nullopt)->jobs(0).workload().has_calibration());
  EXPECT_EQ(BuildCalibration({}, "63").status().message(),
            "--matrix-size is 63, must be 64 to 32768");
}

}  // namespace
}  // namespace torchlap::client
