#include "server/measure/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "tests/server/measure/made_up_times.h"

namespace torchlap::measure {
namespace {

// 1, 2, ..., n.
std::vector<double> Count(size_t n) {
  std::vector<double> values(n);
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

TEST(Statistics, OfNothingAreAbsent) {
  EXPECT_EQ(Mean({}), std::nullopt);
  EXPECT_EQ(SampleStd({}), std::nullopt);
  EXPECT_EQ(Median({}), std::nullopt);
  EXPECT_EQ(Quantile({}, 0.5), std::nullopt);
  EXPECT_EQ(MedianAbsoluteDeviation({}), std::nullopt);
  EXPECT_EQ(CountOutliers({}), std::nullopt);
  EXPECT_EQ(Lag1({}), std::nullopt);
  EXPECT_EQ(MeanHalfWidth({}), std::nullopt);
  EXPECT_FALSE(MedianInterval({}));
  EXPECT_FALSE(RatioInterval({}, {}));
}

TEST(Statistics, OfOneValueAreThatValueWithoutASpread) {
  const std::vector<double> one = {42};
  EXPECT_EQ(Mean(one), 42);
  EXPECT_EQ(Median(one), 42);
  EXPECT_EQ(Quantile(one, 0.95), 42);
  EXPECT_EQ(MedianAbsoluteDeviation(one), 0);
  EXPECT_EQ(SampleStd(one), std::nullopt);
  EXPECT_EQ(MeanHalfWidth(one), std::nullopt);
}

TEST(Statistics, OfCountingNumbersAgreeWithTheirClosedForms) {
  for (const size_t n : {2U, 3U, 10U, 101U, 1000U}) {
    const std::vector<double> values = Count(n);
    const auto size = static_cast<double>(n);
    EXPECT_DOUBLE_EQ(*Mean(values), (size + 1) / 2) << n;
    // Sum of squared deviations n(n^2-1)/12 over n-1.
    EXPECT_DOUBLE_EQ(*SampleStd(values), std::sqrt(size * (size + 1) / 12)) << n;
    EXPECT_DOUBLE_EQ(*Median(values), (size + 1) / 2) << n;
    EXPECT_DOUBLE_EQ(*Quantile(values, 0.95), 1 + 0.95 * (size - 1)) << n;
    EXPECT_EQ(*Quantile(values, 0), 1) << n;
    EXPECT_EQ(*Quantile(values, 1), size) << n;
  }
}

TEST(Statistics, AgreeWithAPublishedExample) {
  // NIST Statistical Reference Datasets, NumAcc1 and NumAcc4: small differences beside a large
  // mean.
  EXPECT_DOUBLE_EQ(*Mean(std::vector<double>{10000001, 10000003, 10000002}), 10000002);
  EXPECT_DOUBLE_EQ(*SampleStd(std::vector<double>{10000001, 10000003, 10000002}), 1);
  std::vector<double> numacc4 = {10000000.2};
  for (int i = 0; i < 500; ++i) {
    numacc4.push_back(10000000.1);
    numacc4.push_back(10000000.3);
  }
  EXPECT_NEAR(*Mean(numacc4), 10000000.2, 1e-8);
  EXPECT_NEAR(*SampleStd(numacc4), 0.1, 1e-8);
  // The same page certifies the autocorrelation at lag 1 too.
  EXPECT_NEAR(*Lag1(numacc4), -0.999, 1e-8);
}

TEST(Statistics, DoNotDependOnTheOrder) {
  EXPECT_EQ(Median({9, 1, 5}), 5);
  EXPECT_EQ(Median({9, 1, 5, 7}), 6);
  EXPECT_EQ(Quantile({40, 10, 30, 20}, 0.5), 25);
}

TEST(Mad, IsTheMedianDistanceFromTheMedian) {
  // The median is 2, the distances from it are 1 1 0 0 2 4 7.
  EXPECT_EQ(MedianAbsoluteDeviation(std::vector<double>{1, 1, 2, 2, 4, 6, 9}), 1);
  EXPECT_EQ(MedianAbsoluteDeviation(std::vector<double>{5, 5, 5, 5, 90}), 0);
}

TEST(Mad, ScaledEstimatesTheStandardDeviationOfNormalTimes) {
  const std::vector<double> times = MadeUpTimes(1).Normal(20000, 1000, 30);
  EXPECT_NEAR(kStdPerMad * *MedianAbsoluteDeviation(times), 30, 0.6);
}

TEST(Outliers, AreTheOnesThatIglewiczAndHoaglinCall) {
  // Their example: 2.1 2.6 2.4 2.5 2.3 2.1 2.3 2.6 8.2 8.3, of which the last two are outliers
  // (modified z scores 19.5 and 19.8).
  EXPECT_EQ(CountOutliers(std::vector<double>{2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3}),
            2U);
}

TEST(Outliers, AreNotCalledWithoutASpreadOrBelowFiveValues) {
  EXPECT_EQ(CountOutliers(std::vector<double>{5, 5, 5, 5, 90}), std::nullopt);
  EXPECT_EQ(CountOutliers(std::vector<double>{1, 2, 3, 900}), std::nullopt);
  EXPECT_EQ(CountOutliers(std::vector<double>{1, 2, 3, 4, 900}), 1U);
  EXPECT_EQ(CountOutliers(Count(100)), 0U);
}

TEST(Lag1, AgreesWithItsClosedForms) {
  // Alternating n even: -(n - 1) / n.
  EXPECT_DOUBLE_EQ(*Lag1(std::vector<double>{1, 3, 1, 3, 1, 3}), -5.0 / 6);
  // 1 ... 5: deviations -2 -1 0 1 2, products 2 0 0 2, squares 10.
  EXPECT_DOUBLE_EQ(*Lag1(Count(5)), 0.4);
  EXPECT_EQ(Lag1(Count(4)), std::nullopt);
  EXPECT_EQ(Lag1(std::vector<double>{7, 7, 7, 7, 7, 7}), std::nullopt);
}

TEST(Lag1, FindsTheCorrelationOfAnAutoregressiveSeries) {
  EXPECT_NEAR(*Lag1(MadeUpTimes(2).Autoregressive(50000, 1000, 30, 0.5)), 0.5, 0.02);
}

TEST(EffectiveSampleSize, IsNForIndependentValuesAndAThirdAtACorrelationOfOneHalf) {
  EXPECT_DOUBLE_EQ(EffectiveSampleSize(30, 0), 30);
  EXPECT_DOUBLE_EQ(EffectiveSampleSize(30, 0.5), 10);
  // Negative correlation is not trusted to help.
  EXPECT_DOUBLE_EQ(EffectiveSampleSize(30, -0.5), 30);
  EXPECT_DOUBLE_EQ(EffectiveSampleSize(3, 0.999), 1);
  EXPECT_DOUBLE_EQ(EffectiveSampleSize(std::vector<double>{4, 4, 4, 4, 4, 4}), 6);
}

TEST(MeanHalfWidth, AgreesWithATextbookForIndependentValues) {
  // 4 values: t(0.975, 3) = 3.182446 in every table; s = 1.290994, over sqrt(4).
  EXPECT_NEAR(*MeanHalfWidth(Count(4)), 3.182446 * 1.290994 / 2, 1e-5);
  // Alternating values count as independent: t(0.975, 9) = 2.262157.
  const std::vector<double> alternating = {1, 3, 1, 3, 1, 3, 1, 3, 1, 3};
  EXPECT_NEAR(*MeanHalfWidth(alternating), 2.262157 * std::sqrt(10.0 / 9 / 10), 1e-5);
  EXPECT_EQ(MeanHalfWidth(std::vector<double>{7, 7, 7}), 0);
}

TEST(MeanHalfWidth, GrowsWhereNeighboursAgree) {
  const std::vector<double> independent = MadeUpTimes(3).Normal(300, 1000, 30);
  const std::vector<double> correlated = MadeUpTimes(3).Autoregressive(300, 1000, 30, 0.5);
  EXPECT_NEAR(*MeanHalfWidth(correlated) / *MeanHalfWidth(independent), std::sqrt(3), 0.35);
}

TEST(MedianInterval, IsThereFromFiveValuesOnAndHoldsTheMedian) {
  EXPECT_FALSE(MedianInterval(Count(4)));
  for (const size_t n : {5U, 6U, 401U, 4001U}) {
    const auto interval = MedianInterval(MadeUpTimes(n).Normal(n, 1000, 30));
    ASSERT_TRUE(interval) << n;
    const double median = *Median(MadeUpTimes(n).Normal(n, 1000, 30));
    EXPECT_LT(interval->low, median) << n;
    EXPECT_GT(interval->high, median) << n;
  }
}

TEST(MedianInterval, IsTheSameEveryTime) {
  const std::vector<double> times = MadeUpTimes(4).Normal(50, 1000, 30);
  EXPECT_EQ(MedianInterval(times)->low, MedianInterval(times)->low);
  EXPECT_EQ(MedianInterval(times)->high, MedianInterval(times)->high);
}

TEST(MedianInterval, OfEqualValuesIsThatValue) {
  const auto interval = MedianInterval(std::vector<double>{7, 7, 7, 7, 7});
  EXPECT_EQ(interval->low, 7);
  EXPECT_EQ(interval->high, 7);
}

// The bootstrap's own distribution of a median of odd n is known (Efron, 1982): it is at most the
// k-th value with the chance that a binomial (n, k / n) is at least (n + 1) / 2. For n = 11 that is
// 0.007 at k = 2, 0.051 at 3, and by symmetry 0.949 at 8 and 0.993 at 9.
TEST(MedianInterval, EndsAtTheOrderStatisticsThatTheBinomialNames) {
  const std::vector<double> mixed = {7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 11};
  ASSERT_LT(*Lag1(mixed), 0.3);
  const auto interval = MedianInterval(mixed);
  EXPECT_EQ(interval->low, 3);
  EXPECT_EQ(interval->high, 9);
}

TEST(MedianInterval, HasNearlyTheSameWidthByResamplesAndByOrder) {
  const std::vector<double> times = MadeUpTimes(5).Normal(4001, 1000, 30);
  const auto by_order = MedianInterval(times);
  const auto resampled = MedianInterval(std::span(times).first(4000));
  EXPECT_NEAR((by_order->high - by_order->low) / (resampled->high - resampled->low), 1, 0.25);
}

// Share of `series` whose interval holds the truth.
template <typename Draw>
double Coverage(int series, double truth, Draw draw) {
  int holds = 0;
  for (int i = 0; i < series; ++i) {
    const auto interval = draw(i);
    holds += interval->low <= truth && truth <= interval->high;
  }
  return static_cast<double>(holds) / series;
}

TEST(MedianInterval, HoldsTheTrueMedianNearlyAsOftenAsItSays) {
  // 500 series: three standard errors are 0.03.
  EXPECT_GT(
      Coverage(500, 1000,
               [](int i) { return MedianInterval(MadeUpTimes(100 + i).Normal(30, 1000, 30)); }),
      0.92);
  // Without blocks this is 0.75.
  EXPECT_GT(
      Coverage(500, 1000,
               [](int i) {
                 return MedianInterval(MadeUpTimes(100 + i).Autoregressive(100, 1000, 30, 0.5));
               }),
      0.86);
}

TEST(RatioInterval, HoldsTheRatioOfTheMeans) {
  const std::vector<double> forward = MadeUpTimes(6).Normal(20, 1000, 30);
  const std::vector<double> backward = MadeUpTimes(7).Normal(20, 2000, 30);
  const auto interval = RatioInterval(backward, forward);
  const double ratio = *Mean(backward) / *Mean(forward);
  EXPECT_LT(interval->low, ratio);
  EXPECT_GT(interval->high, ratio);
  EXPECT_LT(interval->high - interval->low, 0.1);
}

TEST(RatioInterval, IsANumberWhereEveryStepHasTheSameRatio) {
  const std::vector<double> forward = MadeUpTimes(6).Normal(20, 1000, 300);
  std::vector<double> backward = forward;
  for (double& time : backward) time *= 2;
  const auto interval = RatioInterval(backward, forward);
  EXPECT_DOUBLE_EQ(interval->low, 2);
  EXPECT_DOUBLE_EQ(interval->high, 2);
}

TEST(RatioInterval, IsAbsentForUnpairedFewOrImpossibleTimes) {
  EXPECT_FALSE(RatioInterval(Count(6), Count(7)));
  EXPECT_FALSE(RatioInterval(Count(4), Count(4)));
  EXPECT_FALSE(RatioInterval(Count(5), std::vector<double>{0, 1, 1, 1, 1}));
}

TEST(RatioInterval, HasNearlyTheSameWidthByResamplesAndByTheDeltaMethod) {
  const std::vector<double> forward = MadeUpTimes(8).Normal(4001, 1000, 30);
  const std::vector<double> backward = MadeUpTimes(9).Normal(4001, 2000, 80);
  const auto by_delta = RatioInterval(backward, forward);
  const auto resampled =
      RatioInterval(std::span(backward).first(4000), std::span(forward).first(4000));
  EXPECT_NEAR((by_delta->high - by_delta->low) / (resampled->high - resampled->low), 1, 0.25);
}

TEST(RatioInterval, HoldsTheTrueRatioNearlyAsOftenAsItSays) {
  EXPECT_GT(Coverage(500, 2,
                     [](int i) {
                       return RatioInterval(MadeUpTimes(2 * i).Normal(30, 2000, 60),
                                            MadeUpTimes(2 * i + 1).Normal(30, 1000, 30));
                     }),
            0.91);
}

}  // namespace
}  // namespace torchlap::measure
