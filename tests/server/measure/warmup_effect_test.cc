#include "server/measure/warmup_effect.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "server/measure/statistics.h"
#include "server/measure/summary.h"
#include "tests/server/measure/made_up_times.h"

namespace torchlap::measure {
namespace {

// A run of `warmup` and 10 more steps of a process whose steps take these times, and 100 ms after
// them.
v1::Run Warmed(uint32_t warmup, const std::vector<double>& first_ms, double std_ms = 0.3) {
  std::vector<double> times = MadeUpTimes(warmup + 1).Normal(warmup + 10, 100, std_ms);
  std::copy_n(first_ms.begin(), std::min(first_ms.size(), times.size()), times.begin());
  v1::SampleBlock samples;
  samples.set_warmup_steps(warmup);
  for (const double time : times) samples.add_step_ns(static_cast<int64_t>(time * 1e6));
  v1::Run run;
  run.mutable_plan()->set_warmup_steps(warmup);
  SummariseRun(samples, &run);
  return run;
}

std::vector<v1::Run> Comparison(const std::vector<double>& first_ms, double std_ms = 0.3) {
  std::vector<v1::Run> runs;
  // In random order, as they are run.
  for (const uint32_t warmup : {5U, 0U, 10U, 2U, 1U}) {
    runs.push_back(Warmed(warmup, first_ms, std_ms));
  }
  return runs;
}

std::optional<WarmupFinding> Find(const std::vector<WarmupFinding>& findings, WarmupClause clause) {
  for (const WarmupFinding& finding : findings) {
    if (finding.clause == clause) return finding;
  }
  return std::nullopt;
}

TEST(CompareWarmups, TellsWhatAColdStartDoesToMeanAndSpread) {
  const auto findings = CompareWarmups(Comparison({500, 130}));
  const auto mean = Find(findings, WarmupClause::kMeanInflated);
  ASSERT_TRUE(mean);
  EXPECT_NEAR(mean->value, 0.43, 0.01);
  EXPECT_EQ(mean->threshold, 0.01);
  const auto std = Find(findings, WarmupClause::kStdInflated);
  ASSERT_TRUE(std);
  EXPECT_GT(std->value, 100);
  // F(0.975; 9, 9) is 4.026 in tables.
  EXPECT_NEAR(std->threshold, std::sqrt(4.026), 0.001);
  const auto first = Find(findings, WarmupClause::kFirstStepSlow);
  ASSERT_TRUE(first);
  EXPECT_NEAR(first->value, 5, 0.05);
  EXPECT_EQ(first->count, 5U);
  const auto settles = Find(findings, WarmupClause::kSettles);
  ASSERT_TRUE(settles);
  EXPECT_EQ(settles->steps, 2U);
  EXPECT_EQ(settles->count, 5U);
  EXPECT_EQ(settles->of, 5U);
  const auto enough = Find(findings, WarmupClause::kEnoughWarmup);
  ASSERT_TRUE(enough);
  EXPECT_EQ(enough->steps, 2U);
  EXPECT_FALSE(Find(findings, WarmupClause::kNoDifference));
}

TEST(CompareWarmups, SaysSoWhereWarmUpMakesNoDifference) {
  const auto findings = CompareWarmups(Comparison({}));
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].clause, WarmupClause::kSettles);
  EXPECT_EQ(findings[0].steps, 0U);
  EXPECT_EQ(findings[1].clause, WarmupClause::kNoDifference);
  EXPECT_LT(findings[1].value, findings[1].threshold);
}

TEST(CompareWarmups, GivesADifferenceWithinTheNoiseWithItsInterval) {
  const auto findings = CompareWarmups(Comparison({130}, 8));
  const auto mean = Find(findings, WarmupClause::kMeanInflated);
  ASSERT_TRUE(mean);
  ASSERT_TRUE(mean->interval);
  EXPECT_LE(mean->interval->low, 0);
  EXPECT_NEAR((mean->interval->low + mean->interval->high) / 2, mean->value, 1e-12);
  const auto none = Find(findings, WarmupClause::kNoDifference);
  ASSERT_TRUE(none);
  EXPECT_GE(none->value, mean->value);
  EXPECT_EQ(none->threshold, 0.01);
  ASSERT_TRUE(none->interval);
  EXPECT_LE(none->interval->low, 0);
}

TEST(CompareWarmups, CallsNoDifferenceSmallBecauseTheNoiseIsLarge) {
  // Noise of the longest by which two means may differ by 73 %.
  std::vector<v1::Run> runs = {Warmed(0, {}), Warmed(10, {})};
  v1::PhaseSummary* noisy = runs[1].mutable_step();
  noisy->set_std_ns(0.72 * noisy->mean_ns());
  noisy->clear_lag1();
  runs[0].mutable_step()->set_mean_ns(1.087 * noisy->mean_ns());
  const auto findings = CompareWarmups(runs);
  const auto none = Find(findings, WarmupClause::kNoDifference);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->threshold, 0.01);
  EXPECT_NEAR(none->value, 0.087, 1e-9);
  ASSERT_TRUE(none->interval);
  EXPECT_NEAR(none->interval->high - none->value, 0.73, 0.01);
}

TEST(CompareWarmups, CountsTheContaminatedRunsBehindEachClause) {
  std::vector<v1::Run> runs = Comparison({500, 130});
  for (v1::Run& run : runs) {
    if (run.plan().warmup_steps() <= 1) run.set_validity(v1::VALIDITY_CONTAMINATED);
  }
  const auto findings = CompareWarmups(runs);
  const auto mean = Find(findings, WarmupClause::kMeanInflated);
  EXPECT_EQ(mean->of, 2U);
  EXPECT_EQ(mean->contaminated, 1U);
  const auto first = Find(findings, WarmupClause::kFirstStepSlow);
  EXPECT_EQ(first->of, 5U);
  EXPECT_EQ(first->contaminated, 2U);
  ASSERT_TRUE(first->interval);
  EXPECT_LT(first->interval->low, first->value);
  EXPECT_GT(first->interval->high, first->value);
  EXPECT_EQ(Find(findings, WarmupClause::kSettles)->contaminated, 2U);
  EXPECT_EQ(Find(findings, WarmupClause::kEnoughWarmup)->contaminated, 2U);
}

// Of 5 measured steps each, too few to tell a cold start from noise.
v1::Run Measured(uint32_t warmup, const std::vector<double>& times_ms) {
  v1::SampleBlock samples;
  samples.set_warmup_steps(warmup);
  for (uint32_t i = 0; i < warmup; ++i) samples.add_step_ns(2'000'000'000);
  for (const double time : times_ms) samples.add_step_ns(static_cast<int64_t>(time * 1e6));
  v1::Run run;
  run.mutable_plan()->set_warmup_steps(warmup);
  SummariseRun(samples, &run);
  run.clear_settles_at_step();
  return run;
}

TEST(CompareWarmups, CountsTheSpreadOfTimesThatDoNotSettle) {
  const std::vector<double> steady = {905, 995, 1233, 1140, 746};
  for (const std::vector<double>& cold : {std::vector<double>{4272, 1385, 1168, 763, 1327},
                                          {763, 1168, 4272, 1385, 1327},
                                          {1100, 1000, 3000, 900, 1050}}) {
    const auto findings = CompareWarmups({Measured(0, cold), Measured(5, steady)});
    const auto mean = Find(findings, WarmupClause::kMeanInflated);
    ASSERT_TRUE(mean);
    ASSERT_TRUE(mean->interval);
    EXPECT_LT(mean->interval->low, 0);
    // At least the half widths of both means by Student's t, 2.776 s / sqrt(5).
    const auto half_width = [](const std::vector<double>& times) {
      return 2.776 * *SampleStd(times) / std::sqrt(5);
    };
    EXPECT_GE(mean->interval->high - mean->value,
              0.999 * std::hypot(half_width(cold), half_width(steady)) / *Mean(steady));
    EXPECT_FALSE(Find(findings, WarmupClause::kEnoughWarmup));
  }
}

TEST(CompareWarmups, CallsAColdStartNoNoiseWhereTimesSettleAfterIt) {
  for (const double first : {150.0, 500.0, 2000.0}) {
    const auto mean =
        Find(CompareWarmups({Warmed(0, {first}), Warmed(5, {first})}), WarmupClause::kMeanInflated);
    ASSERT_TRUE(mean) << first;
    EXPECT_GT(mean->interval->low, 0) << first;
  }
}

TEST(CompareWarmups, SaysOfHowManyRunsTheFirstStepIsSlow) {
  for (const size_t slow : {1U, 2U, 4U}) {
    std::vector<v1::Run> runs;
    for (uint32_t i = 0; i < 4; ++i) {
      runs.push_back(Warmed(i, i < slow ? std::vector<double>{153} : std::vector<double>{}));
      runs.back().set_validity(v1::VALIDITY_CONTAMINATED);
    }
    const auto first = Find(CompareWarmups(runs), WarmupClause::kFirstStepSlow);
    ASSERT_TRUE(first) << slow;
    EXPECT_EQ(first->count, slow);
    EXPECT_EQ(first->of, 4U);
    EXPECT_EQ(first->contaminated, slow);
  }
}

TEST(CompareWarmups, CallsNoFirstStepSlowWhereTimesSettleWithIt) {
  std::vector<v1::Run> runs = Comparison({});
  for (v1::Run& run : runs) run.set_cold_steady_ratio(1.2);
  EXPECT_FALSE(Find(CompareWarmups(runs), WarmupClause::kFirstStepSlow));
}

TEST(CompareWarmups, SaysThatTimesNeverSettle) {
  std::vector<double> falling;
  for (int i = 0; i < 20; ++i) falling.push_back(400 - 15.0 * i);
  const auto findings = CompareWarmups(Comparison(falling));
  const auto never = Find(findings, WarmupClause::kNeverSettles);
  ASSERT_TRUE(never);
  EXPECT_EQ(never->of, 5U);
  EXPECT_FALSE(Find(findings, WarmupClause::kSettles));
}

TEST(CompareWarmups, NeedsTwoNumbersOfWarmUpSteps) {
  EXPECT_TRUE(CompareWarmups({}).empty());
  EXPECT_TRUE(CompareWarmups({Warmed(5, {}), Warmed(5, {})}).empty());
  EXPECT_FALSE(CompareWarmups({Warmed(5, {}), Warmed(1, {})}).empty());
}

TEST(CompareWarmups, TakesRepeatedRunsByTheirMedian) {
  std::vector<v1::Run> runs = Comparison({});
  // Two more without warm-up: one of the three was disturbed.
  runs.push_back(Warmed(0, {100, 100, 900}));
  runs.push_back(Warmed(0, {}));
  EXPECT_FALSE(Find(CompareWarmups(runs), WarmupClause::kMeanInflated));
}

}  // namespace
}  // namespace torchlap::measure
