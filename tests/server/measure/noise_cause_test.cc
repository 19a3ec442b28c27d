#include "server/measure/noise_cause.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "tests/server/measure/made_up_times.h"

namespace torchlap::measure {
namespace {

constexpr double kMean = 1000;

std::vector<double> Steady(size_t count) { return std::vector<double>(count, kMean); }

TEST(Settling, OfSteadyTimesIsTheFirstStep) {
  EXPECT_EQ(FindSettling(Steady(15)), 0U);
  EXPECT_EQ(FindSettling(MadeUpTimes(1).Normal(15, kMean, 5)), 0U);
}

TEST(Settling, NeedsSixSteps) {
  EXPECT_EQ(FindSettling(Steady(5)), std::nullopt);
  EXPECT_FALSE(FindSteadyBand(Steady(5)));
  EXPECT_EQ(FindSettling(Steady(6)), 0U);
}

TEST(Settling, IsAfterTheSlowSteps) {
  std::vector<double> times = Steady(15);
  times[0] = 20 * kMean;
  EXPECT_EQ(FindSettling(times), 1U);
  times[1] = 1.3 * kMean;
  times[2] = 1.1 * kMean;
  EXPECT_EQ(FindSettling(times), 3U);
  EXPECT_EQ(FindSteadyBand(times)->median, kMean);
}

TEST(Settling, IsNotUndoneByALateOutlier) {
  std::vector<double> times = Steady(15);
  times[0] = 20 * kMean;
  times[11] = 3 * kMean;
  EXPECT_EQ(FindSettling(times), 1U);
}

TEST(Settling, OfTimesThatGoOnFallingIsUnknown) {
  std::vector<double> times;
  for (int i = 0; i < 20; ++i) times.push_back(kMean * (3 - 0.1 * i));
  EXPECT_EQ(FindSettling(times), std::nullopt);
}

TEST(SteadyBand, IsTwoPercentOrThreeStandardDeviations) {
  EXPECT_DOUBLE_EQ(FindSteadyBand(Steady(10))->tolerance, 0.02 * kMean);
  const auto band = FindSteadyBand(MadeUpTimes(2).Normal(20000, kMean, 50));
  EXPECT_NEAR(band->tolerance, 150, 6);
  EXPECT_NEAR(band->median, kMean, 2);
}

TEST(NoiseCause, OfSteadyTimesFindsNothing) {
  const NoiseCauses causes = FindNoiseCauses(Steady(20));
  EXPECT_FALSE(causes.cold_start || causes.drift || causes.two_modes || causes.noise);
}

TEST(NoiseCause, OfFewTimesFindsNothingButNoise) {
  const NoiseCauses causes = FindNoiseCauses(std::vector<double>{9000, 100, 5000, 20});
  EXPECT_FALSE(causes.cold_start || causes.drift || causes.two_modes);
  EXPECT_TRUE(causes.noise);
  EXPECT_FALSE(FindNoiseCauses(std::vector<double>{9000}).noise);
  EXPECT_FALSE(FindNoiseCauses({}).noise);
}

TEST(ColdStart, IsTheFirstStepsAboveAllOthers) {
  std::vector<double> times = MadeUpTimes(3).Normal(10, kMean, 3);
  times[0] = 3 * kMean;
  times[1] = 1.2 * kMean;
  const NoiseCauses causes = FindNoiseCauses(times);
  ASSERT_TRUE(causes.cold_start);
  EXPECT_EQ(causes.cold_start->first, 0U);
  EXPECT_EQ(causes.cold_start->last, 1U);
  EXPECT_NEAR(causes.cold_start->value, 2, 0.02);
  EXPECT_GE(causes.cold_start->threshold, 0.05);
  // It is not told twice.
  EXPECT_FALSE(causes.drift);
  EXPECT_FALSE(causes.two_modes);
  EXPECT_TRUE(causes.noise);
}

TEST(ColdStart, IsNotASlowFirstStepAmongOtherSlowSteps) {
  std::vector<double> times = MadeUpTimes(3).Normal(10, kMean, 3);
  times[0] = 3 * kMean;
  times[6] = 2 * kMean;
  EXPECT_FALSE(FindNoiseCauses(times).cold_start);
}

TEST(ColdStart, IsNotAFirstStepThatIsFaster) {
  std::vector<double> times = MadeUpTimes(3).Normal(10, kMean, 3);
  times[0] = 0.5 * kMean;
  EXPECT_FALSE(FindNoiseCauses(times).cold_start);
}

TEST(Drift, IsASecondHalfUnlikeTheFirst) {
  std::vector<double> times = MadeUpTimes(4).Normal(20, kMean, 5);
  for (size_t i = 0; i < times.size(); ++i) times[i] += 4 * static_cast<double>(i);
  const NoiseCauses causes = FindNoiseCauses(times);
  ASSERT_TRUE(causes.drift);
  EXPECT_NEAR(causes.drift->value, 0.04, 0.01);
  EXPECT_EQ(causes.drift->last, 19U);
}

TEST(Drift, BelowOnePercentIsNone) {
  std::vector<double> times = MadeUpTimes(4).Normal(20, kMean, 0.1);
  for (size_t i = 0; i < times.size(); ++i) times[i] += 0.8 * static_cast<double>(i);
  EXPECT_FALSE(FindNoiseCauses(times).drift);
}

TEST(Drift, IsNotASingleSlowStep) {
  std::vector<double> times = MadeUpTimes(4).Normal(20, kMean, 5);
  times[15] = 5 * kMean;
  EXPECT_FALSE(FindNoiseCauses(times).drift);
}

TEST(TwoModes, AreFoundWhereTimesAreEitherShortOrLong) {
  const NoiseCauses causes = FindNoiseCauses(MadeUpTimes(5).Bimodal(30, kMean, 1300, 0.4, 10));
  ASSERT_TRUE(causes.two_modes);
  EXPECT_GT(causes.two_modes->value, 0.95);
}

TEST(TwoModes, AreNotASingleSlowStepNorATinyDistance) {
  std::vector<double> times = MadeUpTimes(5).Normal(30, kMean, 5);
  times[15] = 5 * kMean;
  EXPECT_FALSE(FindNoiseCauses(times).two_modes);
  EXPECT_FALSE(FindNoiseCauses(MadeUpTimes(5).Bimodal(30, kMean, 1010, 0.4, 0.1)).two_modes);
}

TEST(Noise, IsACoefficientOfVariationAboveATenth) {
  const NoiseCauses causes = FindNoiseCauses(MadeUpTimes(6).Normal(50, kMean, 200));
  ASSERT_TRUE(causes.noise);
  EXPECT_NEAR(causes.noise->value, 0.2, 0.05);
  EXPECT_EQ(causes.noise->threshold, 0.1);
  EXPECT_FALSE(FindNoiseCauses(MadeUpTimes(6).Normal(50, kMean, 50)).noise);
}

// Share of 1000 series in which something is found that is not there.
double FalseFindings(size_t steps,
                     const std::function<std::optional<SeriesFinding>(const NoiseCauses&)>& of,
                     double rho) {
  int found = 0;
  for (int i = 0; i < 1000; ++i) {
    found += of(FindNoiseCauses(MadeUpTimes(i).Autoregressive(steps, kMean, 50, rho))).has_value();
  }
  return found / 1000.0;
}

TEST(NoiseCause, SeldomFindsInStationaryNoiseWhatIsNotThere) {
  for (const size_t steps : {10U, 20U, 100U}) {
    for (const double rho : {0.0, 0.5}) {
      const auto cold = FalseFindings(
          steps, [](const auto& d) { return d.cold_start; }, rho);
      const auto drift = FalseFindings(
          steps, [](const auto& d) { return d.drift; }, rho);
      const auto modes = FalseFindings(
          steps, [](const auto& d) { return d.two_modes; }, rho);
      RecordProperty("steps " + std::to_string(steps) + " rho " + std::to_string(rho),
                     "cold " + std::to_string(cold) + " drift " + std::to_string(drift) +
                         " modes " + std::to_string(modes));
      EXPECT_LE(cold, 0.02) << steps << " " << rho;
      EXPECT_LE(drift, rho == 0 ? 0.02 : 0.05) << steps << " " << rho;
      EXPECT_LE(modes, 0.02) << steps << " " << rho;
    }
  }
}

}  // namespace
}  // namespace torchlap::measure
