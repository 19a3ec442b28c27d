#include "server/measure/summary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "server/measure/presets.h"
#include "server/measure/workload_kind.h"

namespace torchlap::measure {
namespace {

// 1, 2, ..., n.
std::vector<double> Count(size_t n) {
  std::vector<double> values(n);
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

TEST(Summarise, OfNothingSetsNothing) { EXPECT_EQ(Summarise({}).ByteSizeLong(), 0U); }

TEST(Summarise, OfOneValueIsThatValueWithoutASpread) {
  const v1::PhaseSummary summary = Summarise(std::vector<double>{42});
  EXPECT_TRUE(summary.has_mean_ns() && summary.has_median_ns() && summary.has_min_ns() &&
              summary.has_max_ns());
  EXPECT_FALSE(summary.has_std_ns());
  EXPECT_FALSE(summary.has_cv());
}

TEST(Summarise, GivesTheNinetyFifthPercentileFromTwentyValuesOn) {
  EXPECT_FALSE(Summarise(Count(19)).has_p95_ns());
  const v1::PhaseSummary summary = Summarise(Count(20));
  ASSERT_TRUE(summary.has_p95_ns());
  EXPECT_DOUBLE_EQ(summary.p95_ns(), 19.05);
}

TEST(Summarise, FillsEveryField) {
  const v1::PhaseSummary summary = Summarise(std::vector<double>{30, 10, 20});
  EXPECT_EQ(summary.mean_ns(), 20);
  EXPECT_EQ(summary.std_ns(), 10);
  EXPECT_EQ(summary.median_ns(), 20);
  EXPECT_EQ(summary.min_ns(), 10);
  EXPECT_EQ(summary.max_ns(), 30);
  EXPECT_EQ(summary.cv(), 0.5);
}

TEST(Summarise, EqualValuesHaveASpreadOfZeroWhichIsKnown) {
  const v1::PhaseSummary summary = Summarise(std::vector<double>{7, 7});
  EXPECT_TRUE(summary.has_std_ns());
  EXPECT_EQ(summary.std_ns(), 0);
  EXPECT_EQ(summary.cv(), 0);
}

v1::SampleBlock Samples(uint32_t first_step, uint32_t warmup, const std::vector<int64_t>& forward,
                        const std::vector<int64_t>& backward) {
  v1::SampleBlock samples;
  samples.set_first_step(first_step);
  samples.set_warmup_steps(warmup);
  for (size_t i = 0; i < forward.size(); ++i) {
    samples.add_forward_ns(forward[i]);
    if (!backward.empty()) samples.add_backward_ns(backward[i]);
    samples.add_step_ns(forward[i] + (backward.empty() ? 0 : backward[i]));
  }
  return samples;
}

v1::Run TinyRun() {
  v1::Run run;
  v1::TransformerLm& model = *run.mutable_workload()->mutable_transformer_lm();
  model.set_layers(1);
  model.set_heads(1);
  model.set_d_model(2);
  model.set_d_ff(4);
  model.set_batch_size(2);
  model.set_context_length(50);
  model.set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  EXPECT_TRUE(ResolveShape(&model).ok());
  return run;
}

TEST(SummariseRun, LeavesTheWarmUpOut) {
  v1::Run run = TinyRun();
  SummariseRun(Samples(0, 2, {9000, 8000, 100, 300}, {1, 1, 300, 500}), &run);
  EXPECT_EQ(run.forward().mean_ns(), 200);
  EXPECT_EQ(run.backward().mean_ns(), 400);
  EXPECT_EQ(run.step().mean_ns(), 600);
  EXPECT_EQ(run.step().max_ns(), 800);
  EXPECT_FALSE(run.has_loss());
  EXPECT_FALSE(run.has_optimizer());
  EXPECT_EQ(run.backward_forward_ratio(), 2);
  EXPECT_EQ(run.statistics_version(), kStatisticsVersion);
}

TEST(SummariseRun, GivesRatesFromTheMeanStep) {
  v1::Run run = TinyRun();
  SummariseRun(Samples(0, 0, {500000000}, {1500000000}), &run);
  EXPECT_DOUBLE_EQ(run.tokens_per_s(), 50);
  EXPECT_DOUBLE_EQ(run.flops_per_s(), KindOf(run.workload()).StepFlops(run.workload()) / 2);
}

// Its steps are products of several kinds.
TEST(SummariseRun, GivesACalibrationItsNumberOfStepsAndNoMeanOfThem) {
  v1::Run run;
  run.mutable_workload()->mutable_calibration();
  SummariseRun(Samples(0, 0, {500000000}, {1500000000}), &run);
  EXPECT_EQ(run.actual_measure_steps(), 1U);
  EXPECT_EQ(run.statistics_version(), kStatisticsVersion);
  EXPECT_FALSE(run.has_step());
  EXPECT_FALSE(run.has_forward());
  EXPECT_FALSE(run.has_tokens_per_s());
  EXPECT_FALSE(run.has_flops_per_s());
}

TEST(SummariseRun, CountsStepsFromTheBlocksFirst) {
  v1::Run run = TinyRun();
  SummariseRun(Samples(4, 5, {1000, 200, 400}, {}), &run);
  EXPECT_EQ(run.forward().mean_ns(), 300);
  SummariseRun(Samples(9, 5, {1000, 200, 600}, {}), &run);
  EXPECT_EQ(run.forward().mean_ns(), 600);
}

TEST(SummariseRun, WithoutMeasuredStepsNothingIsSet) {
  v1::Run run = TinyRun();
  SummariseRun(Samples(0, 0, {10, 20}, {30, 40}), &run);
  SummariseRun(Samples(0, 2, {10, 20}, {30, 40}), &run);
  EXPECT_FALSE(run.has_forward());
  EXPECT_FALSE(run.has_step());
  EXPECT_FALSE(run.has_backward_forward_ratio());
  EXPECT_FALSE(run.has_tokens_per_s());
  EXPECT_FALSE(run.has_flops_per_s());
}

TEST(SummariseRun, OfCombinedTimingHasTheStepAlone) {
  v1::SampleBlock samples;
  samples.add_step_ns(1000);
  samples.add_step_ns(3000);
  v1::Run run = TinyRun();
  SummariseRun(samples, &run);
  EXPECT_EQ(run.step().mean_ns(), 2000);
  EXPECT_FALSE(run.has_forward());
  EXPECT_FALSE(run.has_backward_forward_ratio());
  EXPECT_TRUE(run.has_tokens_per_s());
}

// Ten steps after two, each phase with its own times.
v1::SampleBlock TenSteps() {
  v1::SampleBlock samples;
  samples.set_warmup_steps(2);
  for (int i = 0; i < 12; ++i) {
    const int64_t extra = i == 0 ? 9000 : i * 7 % 5;
    samples.add_forward_ns(1000 + extra);
    samples.add_backward_ns(2000 + 3 * extra);
    samples.add_step_ns(3000 + 4 * extra);
    samples.add_device_forward_ns(500 + extra);
    samples.add_device_backward_ns(1500);
    samples.add_device_step_ns(2000 + extra);
  }
  return samples;
}

TEST(SummariseRun, GivesTheShapeOfTheTimesFromFiveStepsOn) {
  v1::Run run = TinyRun();
  SummariseRun(TenSteps(), &run);
  // Measured extras: 4 1 3 0 2 4 1 3 0 2.
  EXPECT_EQ(run.forward().median_ns(), 1002);
  EXPECT_EQ(run.forward().mad_ns(), 1);
  EXPECT_EQ(run.forward().outliers(), 0U);
  EXPECT_TRUE(run.forward().has_lag1());
  EXPECT_GE(run.forward().median_low_ns(), 1000);
  EXPECT_LE(run.forward().median_low_ns(), 1002);
  EXPECT_GE(run.forward().median_high_ns(), 1002);
  EXPECT_LE(run.forward().median_high_ns(), 1004);
  EXPECT_FALSE(run.forward().has_p5_ns());
  v1::Run few = TinyRun();
  SummariseRun(Samples(0, 0, {1, 2, 3, 4}, {5, 6, 7, 8}), &few);
  EXPECT_FALSE(few.forward().has_median_low_ns() || few.forward().has_outliers() ||
               few.forward().has_lag1() || few.has_backward_forward_low());
}

TEST(SummariseRun, GivesTheIntervalOfBackwardOverForward) {
  v1::Run run = TinyRun();
  SummariseRun(TenSteps(), &run);
  ASSERT_TRUE(run.has_backward_forward_low() && run.has_backward_forward_high());
  EXPECT_LT(run.backward_forward_low(), run.backward_forward_ratio());
  EXPECT_GT(run.backward_forward_high(), run.backward_forward_ratio());
  EXPECT_NEAR(run.backward_forward_ratio(), 2, 0.01);
}

TEST(SummariseRun, SaysWhenTimesSettleAndHowColdTheFirstStepWas) {
  v1::Run run = TinyRun();
  SummariseRun(TenSteps(), &run);
  ASSERT_TRUE(run.has_settles_at_step());
  EXPECT_EQ(run.settles_at_step(), 1U);
  EXPECT_NEAR(run.cold_steady_ratio(), 39000 / 3008.0, 0.02);
  // A block without the first step cannot tell.
  v1::SampleBlock later = TenSteps();
  later.set_first_step(3);
  SummariseRun(later, &run);
  EXPECT_FALSE(run.has_settles_at_step());
  EXPECT_FALSE(run.has_cold_steady_ratio());
}

TEST(SummariseRun, CountsTheStepsThatWereDone) {
  v1::Run run = TinyRun();
  SummariseRun(TenSteps(), &run);
  EXPECT_EQ(run.actual_warmup_steps(), 2U);
  EXPECT_EQ(run.actual_measure_steps(), 10U);
  // Ended during the warm-up.
  SummariseRun(Samples(0, 5, {10, 20}, {30, 40}), &run);
  EXPECT_EQ(run.actual_warmup_steps(), 2U);
  EXPECT_EQ(run.actual_measure_steps(), 0U);
  SummariseRun({}, &run);
  EXPECT_FALSE(run.has_actual_warmup_steps());
  EXPECT_FALSE(run.has_actual_measure_steps());
}

TEST(SummariseRun, KeepsTheDevicesClockApart) {
  v1::Run run = TinyRun();
  SummariseRun(TenSteps(), &run);
  EXPECT_EQ(run.forward().mean_ns(), 1002);
  EXPECT_EQ(run.device_forward().mean_ns(), 502);
  EXPECT_EQ(run.device_forward().median_ns(), 502);
  EXPECT_GT(run.device_forward().std_ns(), 0);
  EXPECT_EQ(run.device_backward().std_ns(), 0);
  EXPECT_EQ(run.device_step().mean_ns(), 2002);
  EXPECT_FALSE(run.has_device_loss());
}

TEST(SummariseRun, OfTimingEventsHasPhasesByTheDevicesClock) {
  v1::Run run = TinyRun();
  run.mutable_plan()->set_timing(v1::TIMING_EVENTS);
  SummariseRun(TenSteps(), &run);
  EXPECT_EQ(run.forward().mean_ns(), 502);
  EXPECT_EQ(run.step().mean_ns(), 2002);
  EXPECT_EQ(run.device_forward().mean_ns(), 502);
  EXPECT_NEAR(run.backward_forward_ratio(), 1500.0 / 502, 1e-9);
  EXPECT_NEAR(run.cold_steady_ratio(), 11000 / 2002.0, 0.01);
}

v1::Run Launch(uint32_t launch, const std::vector<int64_t>& forward,
               const std::vector<int64_t>& backward, uint64_t peak_bytes) {
  v1::Run run = TinyRun();
  run.set_run_id("17." + std::to_string(launch + 1));
  run.set_launch(launch);
  run.mutable_memory()->set_peak_allocated_bytes(peak_bytes);
  run.mutable_memory()->mutable_backward()->set_allocated_bytes(peak_bytes);
  run.mutable_memory()->set_device_total_bytes(1000);
  SummariseRun(Samples(0, 0, forward, backward), &run);
  return run;
}

TEST(PoolLaunches, OfOneRunIsThatRun) {
  const v1::Run run = Launch(0, {1, 2, 3}, {4, 5, 6}, 7);
  EXPECT_EQ(PoolLaunches({run}).SerializeAsString(), run.SerializeAsString());
}

TEST(PoolLaunches, SummarisesTheLaunchesMedians) {
  const v1::Run row = PoolLaunches({Launch(0, {100, 100, 999}, {200, 200, 9999}, 70),
                                    Launch(1, {200, 200, 201}, {400, 400, 401}, 90),
                                    Launch(2, {300, 1, 301}, {600, 600, 601}, 80)});
  EXPECT_EQ(row.pooled_launches(), 3U);
  EXPECT_EQ(row.run_id(), "17.1");
  EXPECT_EQ(row.forward().mean_ns(), 200);
  EXPECT_EQ(row.forward().std_ns(), 100);
  EXPECT_EQ(row.forward().median_ns(), 200);
  EXPECT_EQ(row.forward().min_ns(), 100);
  EXPECT_EQ(row.forward().max_ns(), 300);
  EXPECT_EQ(row.forward().cv(), 0.5);
  EXPECT_FALSE(row.forward().has_p95_ns());
  EXPECT_EQ(row.backward().mean_ns(), 400);
  EXPECT_EQ(row.backward_forward_ratio(), 2);
  EXPECT_EQ(row.step().mean_ns(), 600);
  EXPECT_DOUBLE_EQ(row.tokens_per_s(), 100 / 600e-9);
  EXPECT_FALSE(row.has_loss());
}

TEST(PoolLaunches, PutsTheSpreadWithinLaunchesBesideTheOneBetween) {
  // Standard deviations within: 3 and 4 of two steps each, sqrt((9 + 16) / 2).
  const double sqrt2 = std::sqrt(2);
  const auto apart = [&](double std) { return static_cast<int64_t>(std::lround(std * sqrt2)); };
  const v1::Run row = PoolLaunches({Launch(0, {100000, 100000 + apart(3000)}, {1, 1}, 1),
                                    Launch(1, {100000, 100000 + apart(4000)}, {1, 1}, 1)});
  EXPECT_NEAR(row.forward().within_std_ns(), std::sqrt(12.5) * 1000, 1);
  EXPECT_NEAR(row.forward().std_ns(), static_cast<double>(apart(1000)) / 2 / sqrt2, 1);
  // One step has no spread.
  EXPECT_FALSE(PoolLaunches({Launch(0, {1}, {1}, 1), Launch(1, {1, 2}, {1, 2}, 1)})
                   .forward()
                   .has_within_std_ns());
}

TEST(PoolLaunches, ShowsTheWorstVerdictAndAllReasons) {
  v1::Run clean = Launch(0, {1, 2}, {1, 2}, 1);
  clean.set_validity(v1::VALIDITY_CLEAN);
  v1::Run contaminated = Launch(1, {1, 2}, {1, 2}, 1);
  contaminated.set_validity(v1::VALIDITY_CONTAMINATED);
  contaminated.set_validity_reasons("foreign-cpu,noise");
  contaminated.set_contaminated_tries(2);
  contaminated.mutable_assessment()->add_evidence()->set_pid(812);
  v1::Run suspect = Launch(2, {1, 2}, {1, 2}, 1);
  suspect.set_validity(v1::VALIDITY_SUSPECT);
  suspect.set_validity_reasons("drift,noise");
  suspect.set_contaminated_tries(1);
  const v1::Run row = PoolLaunches({clean, suspect, contaminated});
  EXPECT_EQ(row.validity(), v1::VALIDITY_CONTAMINATED);
  EXPECT_EQ(row.validity_reasons(), "drift,noise,foreign-cpu");
  EXPECT_EQ(row.assessment().evidence(0).pid(), 812);
  EXPECT_EQ(row.contaminated_tries(), 3U);
}

TEST(PoolLaunches, SaysOfADeviceThatOneOfThemFoundUnlikeWhatIsWanted) {
  std::vector<v1::Run> launches;
  for (uint32_t i = 0; i < 4; ++i) {
    launches.push_back(Launch(i, {1, 2}, {1, 2}, 1));
    launches.back().set_validity(v1::VALIDITY_CLEAN);
    launches.back().mutable_assessment()->add_evidence()->set_reason(v1::REASON_SETTLED);
  }
  for (const size_t hot : {size_t{1}, size_t{2}}) {
    v1::Evidence* evidence = launches[hot].mutable_assessment()->mutable_evidence(0);
    evidence->set_reason(v1::REASON_NOT_SETTLED);
    evidence->set_celsius(static_cast<uint32_t>(70 + hot));
  }
  launches[3].mutable_assessment()->add_evidence()->set_reason(v1::REASON_SETTINGS_MISSING);
  const v1::Run row = PoolLaunches(launches);
  EXPECT_EQ(row.validity(), v1::VALIDITY_CLEAN);
  EXPECT_EQ(row.validity_reasons(), "");
  ASSERT_EQ(row.assessment().evidence_size(), 2) << "settled is none of them";
  EXPECT_EQ(row.assessment().evidence(0).reason(), v1::REASON_NOT_SETTLED);
  EXPECT_EQ(row.assessment().evidence(0).celsius(), 71U);
  EXPECT_EQ(row.assessment().evidence(1).reason(), v1::REASON_SETTINGS_MISSING);
}

TEST(PoolLaunches, KeepsNumbersOfStepsOnlyWhereLaunchesAgree) {
  v1::Run first = Launch(0, {1, 2, 3}, {1, 2, 3}, 1);
  v1::Run second = Launch(1, {1, 2, 3}, {1, 2, 3}, 1);
  first.set_stop_reason(v1::STOP_REASON_REACHED);
  second.set_stop_reason(v1::STOP_REASON_REACHED);
  first.set_settles_at_step(0);
  second.set_settles_at_step(0);
  first.set_cold_steady_ratio(2);
  second.set_cold_steady_ratio(4);
  v1::Run row = PoolLaunches({first, second});
  EXPECT_EQ(row.actual_measure_steps(), 3U);
  EXPECT_EQ(row.stop_reason(), v1::STOP_REASON_REACHED);
  EXPECT_TRUE(row.has_settles_at_step());
  EXPECT_EQ(row.cold_steady_ratio(), 3);
  second.set_actual_measure_steps(5);
  second.set_stop_reason(v1::STOP_REASON_LIMIT);
  second.clear_settles_at_step();
  row = PoolLaunches({first, second});
  EXPECT_FALSE(row.has_actual_measure_steps());
  EXPECT_EQ(row.stop_reason(), v1::STOP_REASON_UNSPECIFIED);
  EXPECT_FALSE(row.has_settles_at_step());
}

TEST(PoolLaunches, PoolsTheDevicesClockToo) {
  v1::Run first = Launch(0, {1}, {1}, 1);
  v1::Run second = Launch(1, {1}, {1}, 1);
  first.mutable_device_step()->set_median_ns(10);
  second.mutable_device_step()->set_median_ns(14);
  const v1::Run row = PoolLaunches({first, second});
  EXPECT_EQ(row.device_step().mean_ns(), 12);
  EXPECT_EQ(row.device_step().std_ns(), std::sqrt(8));
  EXPECT_FALSE(row.has_device_loss());
}

TEST(PoolLaunches, KeepsTheLargestPeaksAndTheFirstRunsDevice) {
  const v1::Run row = PoolLaunches({Launch(0, {1}, {1}, 70), Launch(1, {1}, {1}, 90)});
  EXPECT_EQ(row.memory().peak_allocated_bytes(), 90U);
  EXPECT_EQ(row.memory().backward().allocated_bytes(), 90U);
  EXPECT_FALSE(row.memory().has_peak_reserved_bytes());
  EXPECT_FALSE(row.memory().has_forward());
  EXPECT_EQ(row.memory().device_total_bytes(), 1000U);
}

TEST(PoolLaunches, SharesOfAPeakFollowTheFlops) {
  v1::Run first = Launch(0, {100}, {100}, 1);
  first.set_matmul_peak_ratio(0.5);
  const v1::Run row = PoolLaunches({first, Launch(1, {300}, {300}, 1)});
  EXPECT_DOUBLE_EQ(row.flops_per_s(), first.flops_per_s() / 2);
  EXPECT_DOUBLE_EQ(row.matmul_peak_ratio(), 0.25);
  EXPECT_FALSE(row.has_mfu());
}

TEST(SummariseRun, DoesNotCompareAGraphsReplaysWithTheEagerStepsBeforeThem) {
  v1::Run run = TinyRun();
  SummariseRun(TenSteps(), &run);
  ASSERT_TRUE(run.has_settles_at_step());
  run.mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
  SummariseRun(TenSteps(), &run);
  EXPECT_FALSE(run.has_settles_at_step());
  EXPECT_FALSE(run.has_cold_steady_ratio());
  EXPECT_TRUE(run.step().has_mean_ns());
  run.mutable_plan()->set_execution(v1::EXECUTION_EAGER);
  SummariseRun(TenSteps(), &run);
  EXPECT_TRUE(run.has_settles_at_step());
}

}  // namespace
}  // namespace torchlap::measure
