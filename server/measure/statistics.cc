#include "server/measure/statistics.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

namespace torchlap::measure {
namespace {

constexpr size_t kFewestForShape = 5;  // values, for anything beyond mean and spread
constexpr double kOutlierScore = 3.5;
constexpr double kMostAutocorrelation = 0.99;
constexpr double kBlocksFromLag1 = 0.3;
constexpr double kNormal975 = 1.959963984540054;

// Work of one bootstrap: 400,000 draws take some 2 ms.
constexpr size_t kMostResamples = 1000;
constexpr size_t kMostDraws = 400000;
constexpr size_t kMostToResample = 4000;
constexpr uint32_t kSeed = 20261123;

double SumOfSquares(std::span<const double> values, double mean) {
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return squares;
}

size_t BlockLength(size_t count, double lag1) {
  if (lag1 <= kBlocksFromLag1) return 1;
  const double r = std::min(lag1, kMostAutocorrelation);
  const double length =
      std::cbrt(6 * r * r / ((1 - r * r) * (1 - r * r)) * static_cast<double>(count));
  return std::clamp<size_t>(static_cast<size_t>(std::lround(length)), 2, count / 2);
}

// Positions of resampled values, block by block.
class Resampler {
 public:
  Resampler(size_t count, double lag1)
      : count_(count), block_(BlockLength(count, lag1)), generator_(kSeed) {}

  size_t resamples() const { return std::min(kMostResamples, kMostDraws / count_); }

  // Calls `take` with `count` positions.
  template <typename Take>
  void Draw(Take take) {
    for (size_t drawn = 0; drawn < count_;) {
      const size_t start = Below(count_ - block_ + 1);
      const size_t length = std::min(block_, count_ - drawn);
      for (size_t i = 0; i < length; ++i) take(start + i);
      drawn += length;
    }
  }

 private:
  // Below `limit`, which is small enough for the bias of the multiplication not to matter. Standard
  // distributions are not the same in every library.
  size_t Below(size_t limit) { return (uint64_t{generator_()} * limit) >> 32; }

  const size_t count_;
  const size_t block_;
  std::mt19937 generator_;
};

Interval Middle95(const std::vector<double>& values) {
  return {*Quantile(values, 0.025), *Quantile(values, 0.975)};
}

// Of values whose ranks were drawn counts[rank] times, `count` in all.
double MedianOfCounts(const std::vector<uint32_t>& counts, std::span<const double> sorted,
                      size_t count) {
  size_t rank = 0;
  size_t below = counts[0];
  while (below <= (count - 1) / 2) below += counts[++rank];
  const double lower = sorted[rank];
  while (below <= count / 2) below += counts[++rank];
  return (lower + sorted[rank]) / 2;
}

Interval ResampledMedian(std::span<const double> values, double lag1) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<size_t> rank(values.size());
  std::vector<double> sorted(values.size());
  for (size_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
    sorted[i] = values[order[i]];
  }
  Resampler resampler(values.size(), lag1);
  std::vector<double> medians(resampler.resamples());
  std::vector<uint32_t> counts(values.size());
  for (double& median : medians) {
    std::fill(counts.begin(), counts.end(), 0);
    resampler.Draw([&](size_t i) { ++counts[rank[i]]; });
    median = MedianOfCounts(counts, sorted, values.size());
  }
  return Middle95(medians);
}

Interval MedianByOrder(std::span<const double> values, double lag1) {
  const std::vector<double> all(values.begin(), values.end());
  const double effective = EffectiveSampleSize(all.size(), lag1 > kBlocksFromLag1 ? lag1 : 0);
  const double reach = std::min(0.5, kNormal975 / (2 * std::sqrt(effective)));
  return {*Quantile(all, 0.5 - reach), *Quantile(all, 0.5 + reach)};
}

Interval ResampledRatio(std::span<const double> numerators, std::span<const double> denominators,
                        double lag1) {
  Resampler resampler(numerators.size(), lag1);
  std::vector<double> ratios(resampler.resamples());
  for (double& ratio : ratios) {
    double above = 0;
    double below = 0;
    resampler.Draw([&](size_t i) {
      above += numerators[i];
      below += denominators[i];
    });
    ratio = above / below;
  }
  return Middle95(ratios);
}

// The ratio's error is to first order the mean of (numerator - ratio x denominator) / mean
// denominator.
Interval RatioByDelta(std::span<const double> numerators, std::span<const double> denominators,
                      double lag1) {
  const double below = *Mean(denominators);
  const double ratio = *Mean(numerators) / below;
  std::vector<double> errors(numerators.size());
  for (size_t i = 0; i < errors.size(); ++i) {
    errors[i] = (numerators[i] - ratio * denominators[i]) / below;
  }
  const double effective = EffectiveSampleSize(errors.size(), lag1 > kBlocksFromLag1 ? lag1 : 0);
  const double half_width = kNormal975 * *SampleStd(errors) / std::sqrt(effective);
  return {ratio - half_width, ratio + half_width};
}

}  // namespace

std::optional<double> Mean(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  const auto count = static_cast<double>(values.size());
  const double rough = std::accumulate(values.begin(), values.end(), 0.0) / count;
  // The rounding of the sum, once more: NIST's NumAcc4 is off by 1e-7 without it.
  double rest = 0;
  for (const double value : values) rest += value - rough;
  return rough + rest / count;
}

std::optional<double> SampleStd(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  // Two passes: squares of the values themselves would cancel when the spread is small beside the
  // mean.
  const double squares = SumOfSquares(values, *Mean(values));
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

std::optional<double> Median(std::vector<double> values) {
  return Quantile(std::move(values), 0.5);
}

std::optional<double> Quantile(std::vector<double> values, double q) {
  if (values.empty()) return std::nullopt;
  const double position = static_cast<double>(values.size() - 1) * q;
  const auto below = static_cast<size_t>(position);
  const double share = position - static_cast<double>(below);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), at, values.end());
  if (share == 0) return *at;
  return *at + share * (*std::min_element(at + 1, values.end()) - *at);
}

std::optional<double> MedianAbsoluteDeviation(std::span<const double> values) {
  std::vector<double> deviations(values.begin(), values.end());
  const std::optional<double> median = Median(deviations);
  if (!median) return std::nullopt;
  for (double& value : deviations) value = std::abs(value - *median);
  return Median(std::move(deviations));
}

std::optional<uint32_t> CountOutliers(std::span<const double> values) {
  if (values.size() < kFewestForShape) return std::nullopt;
  const double mad = *MedianAbsoluteDeviation(values);
  if (mad == 0) return std::nullopt;
  const double median = *Median({values.begin(), values.end()});
  // 0.6745 is 1 / 1.4826, rounded as the authors print it.
  const auto is_outlier = [&](double value) {
    return 0.6745 * std::abs(value - median) / mad > kOutlierScore;
  };
  return static_cast<uint32_t>(std::count_if(values.begin(), values.end(), is_outlier));
}

std::optional<double> Lag1(std::span<const double> values) {
  if (values.size() < kFewestForShape) return std::nullopt;
  const double mean = *Mean(values);
  const double squares = SumOfSquares(values, mean);
  if (squares == 0) return std::nullopt;
  double products = 0;
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    products += (values[i] - mean) * (values[i + 1] - mean);
  }
  return products / squares;
}

double EffectiveSampleSize(size_t count, double autocorrelation) {
  const double r = std::clamp(autocorrelation, 0.0, kMostAutocorrelation);
  return std::max(1.0, static_cast<double>(count) * (1 - r) / (1 + r));
}

double EffectiveSampleSize(size_t count, std::optional<double> lag1) {
  if (!lag1) return static_cast<double>(count);
  const double unbiased = *lag1 + (1 + 4 * *lag1) / static_cast<double>(count);
  return EffectiveSampleSize(count, unbiased);
}

double EffectiveSampleSize(std::span<const double> values) {
  return EffectiveSampleSize(values.size(), Lag1(values));
}

std::optional<double> MeanHalfWidth(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  return MeanHalfWidth(values.size(), *SampleStd(values), Lag1(values));
}

std::optional<double> MeanHalfWidth(size_t count, double std, std::optional<double> lag1) {
  if (count < 2) return std::nullopt;
  const auto n = static_cast<double>(count);
  const double effective = std::max(2.0, EffectiveSampleSize(count, lag1));
  const boost::math::students_t student(effective - 1);
  return boost::math::quantile(student, 0.975) * std * std::sqrt((n - 1) / (n * (effective - 1)));
}

std::optional<Interval> MedianInterval(std::span<const double> values) {
  if (values.size() < kFewestForShape) return std::nullopt;
  const double lag1 = Lag1(values).value_or(0);
  return values.size() > kMostToResample ? MedianByOrder(values, lag1)
                                         : ResampledMedian(values, lag1);
}

std::optional<Interval> RatioInterval(std::span<const double> numerators,
                                      std::span<const double> denominators) {
  if (numerators.size() < kFewestForShape || numerators.size() != denominators.size()) {
    return std::nullopt;
  }
  if (*std::min_element(denominators.begin(), denominators.end()) <= 0) return std::nullopt;
  const double lag1 = std::max(Lag1(numerators).value_or(0), Lag1(denominators).value_or(0));
  return numerators.size() > kMostToResample ? RatioByDelta(numerators, denominators, lag1)
                                             : ResampledRatio(numerators, denominators, lag1);
}

}  // namespace torchlap::measure
