#include "server/measure/change_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "server/measure/statistics.h"
#include "tests/server/measure/made_up_times.h"

namespace torchlap::measure {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kMinEffect = 0.01;

std::vector<size_t> Points(const std::vector<double>& times, double min_effect = kMinEffect) {
  std::vector<size_t> points;
  for (const ChangePoint& step : FindChangePoints(times, min_effect)) points.push_back(step.point);
  return points;
}

// 40 points before, 60 after.
std::vector<double> WithStep(uint64_t seed, double share, double noise) {
  std::vector<double> times = MadeUpTimes(seed).LogNormal(100, 1e6, noise * 1e6);
  for (size_t i = 40; i < times.size(); ++i) times[i] *= 1 + share;
  return times;
}

// How many of 50 series have one step, within 2 points of its place.
int Found(double share, double noise) {
  int found = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<size_t> points = Points(WithStep(seed, share, noise));
    found += points.size() == 1 && points[0] >= 38 && points[0] <= 42 ? 1 : 0;
  }
  return found;
}

TEST(ChangePoints, StepsOfFiveAndTenPercentAreFoundAtANoiseOfOnePercent) {
  EXPECT_GE(Found(0.10, 0.01), 48);
  EXPECT_GE(Found(0.05, 0.01), 48);
  EXPECT_GE(Found(-0.05, 0.01), 48);
}

TEST(ChangePoints, AStepOfTwiceTheNoiseIsFoundMoreOftenThanNot) {
  EXPECT_GE(Found(0.02, 0.01), 30);
  EXPECT_GE(Found(0.02, 0.005), 45);
}

TEST(ChangePoints, LevelsAreTheMediansOfTheSegments) {
  const std::vector<double> times = {100, 102, 101, 110, 112, 111, 111, 112};
  const std::vector<ChangePoint> steps = FindChangePoints(times, kMinEffect);
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(steps[0].point, 3U);
  EXPECT_EQ(steps[0].before, 101);
  EXPECT_EQ(steps[0].after, 111);
}

TEST(ChangePoints, FlatSeriesOfNoiseHardlyEverHaveAStep) {
  for (const size_t count : {4, 6, 10, 20, 100}) {
    int with_steps = 0;
    for (uint64_t seed = 0; seed < 500; ++seed) {
      const auto times = MadeUpTimes(seed).LogNormal(count, 1e6, 0.05e6);
      with_steps += FindChangePoints(times, 1e-6).empty() ? 0 : 1;
    }
    // 2 % of 500 are 10 with a standard deviation of 3.
    EXPECT_LE(with_steps, 20) << count;
  }
}

TEST(ChangePoints, OneOutlierIsNoStep) {
  for (size_t place = 0; place < 30; ++place) {
    std::vector<double> times = MadeUpTimes(place).LogNormal(30, 1e6, 0.005e6);
    times[place] *= 3;
    EXPECT_THAT(Points(times), IsEmpty()) << place;
    std::vector<double> quiet(30, 1e6);
    quiet[place] = 3e6;
    EXPECT_THAT(Points(quiet), IsEmpty()) << place;
  }
}

TEST(ChangePoints, TwoSmallOutliersInARowAreNoStep) {
  for (size_t place = 2; place + 4 < 30; ++place) {
    std::vector<double> times;
    for (int i = 0; i < 30; ++i) times.push_back(i % 2 == 0 ? 1e6 : 1.01e6);
    times[place] = 1.03e6;
    times[place + 1] = 1.03e6;
    EXPECT_THAT(Points(times), IsEmpty()) << place;
  }
}

TEST(ChangePoints, ALevelOfTwoPointsAtAnEndIsFoundWhereItIsFarAway) {
  std::vector<double> times(20, 1e6);
  times[18] = times[19] = 1.2e6;
  EXPECT_THAT(Points(times), ElementsAre(18U));
  std::reverse(times.begin(), times.end());
  EXPECT_THAT(Points(times), ElementsAre(2U));
  // One alone is no level.
  std::vector<double> single(20, 1e6);
  single[19] = 1.2e6;
  EXPECT_THAT(Points(single), IsEmpty());
}

TEST(ChangePoints, EqualTimesHaveNoStepsAndStepsWithoutNoiseAreFound) {
  EXPECT_THAT(Points(std::vector<double>(50, 5e6)), IsEmpty());
  std::vector<double> times(50, 5e6);
  for (size_t i = 20; i < 50; ++i) times[i] = 5.2e6;
  for (size_t i = 35; i < 50; ++i) times[i] = 4.8e6;
  EXPECT_THAT(Points(times), ElementsAre(20U, 35U));
}

TEST(ChangePoints, AStepBelowTheEffectIsNone) {
  std::vector<double> times(50, 5e6);
  for (size_t i = 20; i < 50; ++i) times[i] = 5.04e6;
  EXPECT_THAT(Points(times, 0.01), IsEmpty());
  EXPECT_THAT(Points(times, 0.007), ElementsAre(20U));
}

// Small steps that together are more than the effect are one step.
TEST(ChangePoints, AStairOfSmallStepsIsOneStep) {
  std::vector<double> times(60, 1e6);
  for (size_t i = 20; i < 60; ++i) times[i] = 1.006e6;
  for (size_t i = 40; i < 60; ++i) times[i] = 1.014e6;
  const std::vector<ChangePoint> steps = FindChangePoints(times, 0.01);
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(steps[0].after, 1.014e6);
}

TEST(OverTheirLevels, LeavesTheScatterAndTakesTheStepsAway) {
  std::vector<double> times(30, 1e6);
  for (size_t i = 10; i < 30; ++i) times[i] = 1.2e6;
  for (size_t i = 20; i < 30; ++i) times[i] = 0.9e6;
  times[3] = 1.01e6;
  const std::vector<double> over = OverTheirLevels(times);
  ASSERT_EQ(over.size(), times.size());
  for (size_t i = 0; i < over.size(); ++i) EXPECT_NEAR(over[i], i == 3 ? 1.01 : 1, 1e-12) << i;
}

TEST(ChangePoints, FewerThanFourPointsHaveNone) {
  EXPECT_THAT(Points({}), IsEmpty());
  EXPECT_THAT(Points({1}), IsEmpty());
  EXPECT_THAT(Points({1, 1, 2}), IsEmpty());
  EXPECT_THAT(Points({1, 1, 2, 2}), ElementsAre(2U));
}

double Spread(const std::vector<double>& logs, size_t begin, size_t end) {
  const double median =
      *Median({logs.begin() + static_cast<int>(begin), logs.begin() + static_cast<int>(end)});
  double sum = 0;
  for (size_t i = begin; i < end; ++i) sum += std::abs(logs[i] - median);
  return sum;
}

// By all segmentations: bit i of `cuts` set means that a segment begins at point i + 1.
double CostOf(const std::vector<double>& logs, unsigned cuts, double penalty) {
  double cost = 0;
  size_t begin = 0;
  for (size_t end = 1; end <= logs.size(); ++end) {
    const bool is_cut = end < logs.size() && ((cuts >> (end - 1)) & 1U) != 0;
    if (!is_cut && end < logs.size()) continue;
    if (end - begin < 2) return std::numeric_limits<double>::infinity();
    cost += Spread(logs, begin, end) + (is_cut ? penalty : 0);
    begin = end;
  }
  return cost;
}

double PenaltyOf(const std::vector<double>& logs, double min_effect) {
  std::vector<double> differences;
  for (size_t i = 1; i < logs.size(); ++i) differences.push_back(std::abs(logs[i] - logs[i - 1]));
  return std::max(kPenaltyPerNoise * *Median(differences) / 0.9538725524,
                  2 * std::log1p(min_effect));
}

TEST(ChangePoints, NoSegmentationOfAShortSeriesCostsLess) {
  // So small that nothing is merged.
  constexpr double kTiny = 1e-9;
  int with_steps = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    MadeUpTimes made(seed);
    std::vector<double> times;
    double level = 1e6;
    for (int i = 0; i < 12; ++i) {
      if (made.Uniform() < 0.25) level *= 1 + 0.3 * made.Uniform();
      // Rounded, so that values are there twice.
      times.push_back(std::round(level * (1 + 0.004 * made.Standard()) / 5e3) * 5e3);
    }
    std::vector<double> logs;
    for (const double time : times) logs.push_back(std::log(time));
    const double penalty = PenaltyOf(logs, kTiny);
    double least = std::numeric_limits<double>::infinity();
    for (unsigned cuts = 0; cuts < 1U << 11; ++cuts) {
      least = std::min(least, CostOf(logs, cuts, penalty));
    }
    unsigned found = 0;
    for (const size_t point : Points(times, kTiny)) found |= 1U << (point - 1);
    EXPECT_NEAR(CostOf(logs, found, penalty), least, 1e-9) << seed;
    with_steps += found != 0 ? 1 : 0;
  }
  EXPECT_GT(with_steps, 50);
}

}  // namespace
}  // namespace torchlap::measure
