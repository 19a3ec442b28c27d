// Statistics of a sequence of times. Pure functions; every function that draws random numbers
// seeds its own generator with a constant, so that the same times always give the same figures.
// nullopt: fewer values than the definition needs, or a definition that divides by zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace torchlap::measure {

struct Interval {
  double low = 0;
  double high = 0;
};

// 1.4826 x MAD estimates the standard deviation of normal values: 1 / (the normal quantile of
// 0.75).
inline constexpr double kStdPerMad = 1.482602218505602;

// n >= 1.
std::optional<double> Mean(std::span<const double> values);
// n >= 2; divides by n - 1.
std::optional<double> SampleStd(std::span<const double> values);
// n >= 1.
std::optional<double> Median(std::vector<double> values);
// Linear interpolation at position (n - 1) q counted from 0, q in [0, 1] (type 7 of Hyndman and
// Fan, Sample Quantiles in Statistical Packages, 1996). n >= 1.
std::optional<double> Quantile(std::vector<double> values, double q);

// Median of |x - median|, not scaled. n >= 1.
std::optional<double> MedianAbsoluteDeviation(std::span<const double> values);

// Values with a modified z score 0.6745 |x - median| / MAD above 3.5 (Iglewicz and Hoaglin, How to
// Detect and Handle Outliers, 1993). n >= 5; nullopt where the MAD is 0: no value can be called an
// outlier then.
std::optional<uint32_t> CountOutliers(std::span<const double> values);

// Autocorrelation at lag 1: sum (x_i - m)(x_i+1 - m) / sum (x_i - m)^2, m the mean of all. n >= 5,
// and not all equal. For independent values its expectation is -1/n.
std::optional<double> Lag1(std::span<const double> values);

// How many independent values tell as much about the mean as `count` values with this
// autocorrelation: n (1 - r) / (1 + r), which is exact for an AR(1) process and large n. r is taken
// to be at least 0 and at most 0.99; the result is at least 1.
double EffectiveSampleSize(size_t count, double autocorrelation);
// The same with the values' Lag1 less its bias, r + (1 + 4 r) / n (Marriott and Pope, Bias in the
// Estimation of Autocorrelations, 1954). Where Lag1 is not defined: n.
double EffectiveSampleSize(std::span<const double> values);
double EffectiveSampleSize(size_t count, std::optional<double> lag1);

// Half width of the 95 % interval of the mean by Student's t:
//   t(0.975, e - 1) sqrt(sum (x - m)^2 / (n (e - 1))),  e the effective sample size.
// For independent values this is the textbook's t s / sqrt(n). Dividing by e - 1 instead of n - 1
// mends the sample variance, which is too small when neighbours agree. e is taken to be at least 2.
// n >= 2.
std::optional<double> MeanHalfWidth(std::span<const double> values);
// The same of values of which only the count, the sample standard deviation and Lag1 (nullopt: not
// defined) are known.
std::optional<double> MeanHalfWidth(size_t count, double std, std::optional<double> lag1);

// 95 % interval of the median: percentiles of the medians of resamples (Efron). Above a Lag1 of 0.3
// the resamples are made of overlapping blocks (Kuensch, 1989) of length (6 r^2 / (1 - r^2)^2 n) ^
// (1/3), 2 to n/2 (Politis and White, 2004, for an AR(1) process). 1000 resamples up to n = 400,
// then 400,000 / n; above n = 4000 the order statistics at n/2 -+ 1.96 sqrt(n)/2, n the effective
// number of values, which is what the resamples converge to. n >= 5.
std::optional<Interval> MedianInterval(std::span<const double> values);

// 95 % interval of mean(numerators) / mean(denominators), paired: a resample takes both values of a
// step. Blocks and numbers of resamples as above, by the larger of the two autocorrelations; above
// n = 4000 by the delta method. Both of the same length n >= 5; nullopt unless the denominators are
// positive.
std::optional<Interval> RatioInterval(std::span<const double> numerators,
                                      std::span<const double> denominators);

}  // namespace torchlap::measure
