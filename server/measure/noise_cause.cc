#include "server/measure/noise_cause.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numbers>
#include <vector>

#include "server/measure/statistics.h"

namespace torchlap::measure {
namespace {

constexpr size_t kFewestToSettle = 6;
constexpr size_t kFewestForHalves = 10;
constexpr size_t kFewestForNoise = 2;
constexpr size_t kSteadySteps = 3;
constexpr double kSteadyShare = 0.75;

constexpr double kBandShare = 0.02;
constexpr double kBandStds = 3;
constexpr double kMostBandShare = 0.3;
constexpr double kColdShare = 0.05;
constexpr double kColdStds = 6;
constexpr double kDriftShare = 0.01;
constexpr double kDriftLevel = 0.005;
constexpr double kModesShare = 0.02;
constexpr double kNoiseCv = 0.1;

// Standard deviation by the differences of neighbours, around their median: a trend is no noise.
double NeighbourStd(std::span<const double> times) {
  std::vector<double> differences;
  for (size_t i = 0; i + 1 < times.size(); ++i) differences.push_back(times[i + 1] - times[i]);
  return kStdPerMad * MedianAbsoluteDeviation(differences).value_or(0) / std::numbers::sqrt2;
}

std::span<const double> LastHalf(std::span<const double> times) {
  return times.subspan(times.size() / 2);
}

bool StaysSteadyFrom(std::span<const double> times, const SteadyBand& band) {
  const auto holds = [&](double time) { return band.Holds(time); };
  if (!std::all_of(times.begin(), times.begin() + kSteadySteps, holds)) return false;
  const auto inside = std::count_if(times.begin(), times.end(), holds);
  return static_cast<double>(inside) >= kSteadyShare * static_cast<double>(times.size());
}

std::optional<SeriesFinding> FindColdStart(std::span<const double> times) {
  if (times.size() < kFewestToSettle) return std::nullopt;
  const double median = *Median({LastHalf(times).begin(), LastHalf(times).end()});
  const double tolerance =
      std::max(kColdShare * median, kColdStds * NeighbourStd(times.subspan(1)));
  size_t cold = 0;
  while (cold < times.size() / 2 && times[cold] > median + tolerance) ++cold;
  if (cold == 0) return std::nullopt;
  // A noisy machine has such steps anywhere: a start is told by there being none later.
  const double latest = *std::max_element(times.begin() + cold, times.end());
  if (cold == times.size() / 2 || latest > median + tolerance) return std::nullopt;
  return SeriesFinding{0, cold - 1, times[0] / median - 1, tolerance / median};
}

// Lag-1 autocorrelation of one half without its trend, which is drift too, not noise. Taking the
// trend out makes it too small by (2 + 4 r) / n.
double NoiseLag1(std::span<const double> half) {
  const auto count = static_cast<double>(half.size());
  const double mean = *Mean(half);
  const double middle = (count - 1) / 2;
  double products = 0;
  for (size_t i = 0; i < half.size(); ++i) {
    products += (static_cast<double>(i) - middle) * (half[i] - mean);
  }
  const double slope = products / (count * (count * count - 1) / 12);
  std::vector<double> rest(half.begin(), half.end());
  for (size_t i = 0; i < rest.size(); ++i) rest[i] -= slope * static_cast<double>(i);
  const double r = Lag1(rest).value_or(0);
  return r + (2 + 4 * r) / count;
}

// Two-sided p of Welch's test with effective numbers of values. Both halves have the same noise:
// one autocorrelation, of twice the values.
double WelchP(std::span<const double> a, std::span<const double> b) {
  const double r = (NoiseLag1(a) + NoiseLag1(b)) / 2;
  const double count_a = std::max(2.0, EffectiveSampleSize(a.size(), r));
  const double count_b = std::max(2.0, EffectiveSampleSize(b.size(), r));
  const double var_a = *SampleStd(a) * *SampleStd(a) / count_a;
  const double var_b = *SampleStd(b) * *SampleStd(b) / count_b;
  const double difference = std::abs(*Mean(a) - *Mean(b));
  if (var_a + var_b == 0) return difference > 0 ? 0 : 1;
  const double freedom = (var_a + var_b) * (var_a + var_b) /
                         (var_a * var_a / (count_a - 1) + var_b * var_b / (count_b - 1));
  const boost::math::students_t student(freedom);
  return 2 * boost::math::cdf(complement(student, difference / std::sqrt(var_a + var_b)));
}

std::optional<SeriesFinding> FindDrift(std::span<const double> times) {
  if (times.size() < kFewestForHalves) return std::nullopt;
  const std::span<const double> first = times.first(times.size() / 2);
  const std::span<const double> second = times.subspan(times.size() / 2);
  const double mean = *Mean(times);
  const double by_mean = (*Mean(second) - *Mean(first)) / mean;
  const double by_median =
      (*Median({second.begin(), second.end()}) - *Median({first.begin(), first.end()})) / mean;
  const double least = std::min(std::abs(by_mean), std::abs(by_median));
  if (by_mean * by_median <= 0 || least <= kDriftShare) return std::nullopt;
  if (WelchP(first, second) >= kDriftLevel) return std::nullopt;
  return SeriesFinding{0, times.size() - 1, by_mean, kDriftShare};
}

// Of sorted values: how much of their variance the best split explains, and how far apart its parts
// are.
struct Split {
  double explained = 0;
  double distance = 0;
};

Split BestSplit(const std::vector<double>& sorted) {
  const auto count = static_cast<double>(sorted.size());
  const size_t fewest = std::max<size_t>(3, (sorted.size() + 9) / 10);
  const double mean = *Mean(sorted);
  double squares = 0;
  for (const double value : sorted) squares += (value - mean) * (value - mean);
  Split best;
  double below = 0;  // sum of (value - mean) of the lower part; of the upper part its negative
  for (size_t size = 1; size + fewest <= sorted.size(); ++size) {
    below += sorted[size - 1] - mean;
    if (size < fewest) continue;
    const auto low = static_cast<double>(size);
    const double between = below * below / low + below * below / (count - low);
    if (squares > 0 && between / squares > best.explained) {
      best = {between / squares, -below / (count - low) - below / low};
    }
  }
  return best;
}

std::optional<SeriesFinding> FindTwoModes(std::span<const double> times) {
  if (times.size() < kFewestForHalves) return std::nullopt;
  std::vector<double> sorted(times.begin(), times.end());
  std::sort(sorted.begin(), sorted.end());
  const Split split = BestSplit(sorted);
  const double threshold = 1 - 0.18 * (1 - 6.5 / static_cast<double>(times.size()));
  if (split.explained <= threshold || std::abs(split.distance) <= kModesShare * *Mean(times)) {
    return std::nullopt;
  }
  return SeriesFinding{0, times.size() - 1, split.explained, threshold};
}

std::optional<SeriesFinding> FindNoise(std::span<const double> times) {
  if (times.size() < kFewestForNoise) return std::nullopt;
  const double cv = *SampleStd(times) / *Mean(times);
  if (!(cv > kNoiseCv)) return std::nullopt;
  return SeriesFinding{0, times.size() - 1, cv, kNoiseCv};
}

void Shift(size_t by, std::optional<SeriesFinding>* finding) {
  if (!finding->has_value()) return;
  (*finding)->first += by;
  (*finding)->last += by;
}

}  // namespace

std::optional<SteadyBand> FindSteadyBand(std::span<const double> times) {
  if (times.size() < kFewestToSettle) return std::nullopt;
  const std::span<const double> tail = LastHalf(times);
  const double median = *Median({tail.begin(), tail.end()});
  const double by_noise = std::min(kMostBandShare * median, kBandStds * NeighbourStd(tail));
  return SteadyBand{median, std::max(kBandShare * median, by_noise)};
}

std::optional<size_t> FindSettling(std::span<const double> times) {
  const std::optional<SteadyBand> band = FindSteadyBand(times);
  if (!band) return std::nullopt;
  for (size_t step = 0; step <= times.size() / 2; ++step) {
    if (StaysSteadyFrom(times.subspan(step), *band)) return step;
  }
  return std::nullopt;
}

NoiseCauses FindNoiseCauses(std::span<const double> measured) {
  NoiseCauses causes;
  causes.cold_start = FindColdStart(measured);
  const size_t cold = causes.cold_start ? causes.cold_start->last + 1 : 0;
  const std::span<const double> rest = measured.subspan(cold);
  causes.drift = FindDrift(rest);
  causes.two_modes = FindTwoModes(rest);
  Shift(cold, &causes.drift);
  Shift(cold, &causes.two_modes);
  causes.noise = FindNoise(measured);
  return causes;
}

}  // namespace torchlap::measure
