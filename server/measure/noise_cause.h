// What the times of a run's steps say about themselves: where they settle, and whether a mean of
// them means anything. Pure functions; times in ns, in the order of the steps.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace torchlap::measure {

// Where steady times lie: around their median, by a tolerance to each side.
struct SteadyBand {
  double median = 0;
  double tolerance = 0;

  bool Holds(double time) const { return time >= median - tolerance && time <= median + tolerance; }
};

// Of the last half of the times. The tolerance is the larger of 2 % of the median and three
// standard deviations, which are estimated from the differences of neighbours (1.4826 x their MAD /
// sqrt(2)), so that neither a trend nor an outlier widens it; but no more than 30 % of the median,
// three times the CV that is called noise: else anything would be steady among the noisiest times,
// a first step of twice the median too. 6 times at least.
std::optional<SteadyBand> FindSteadyBand(std::span<const double> times);

// The first step from which on times are like the steady ones: it and the two after it lie in the
// band, and so do three quarters of all from it on. nullopt: fewer than 6 times, or no such step
// before the last half (the times do not settle).
std::optional<size_t> FindSettling(std::span<const double> times);

// One thing found. `value` passed `threshold`, in the same unit.
struct SeriesFinding {
  size_t first = 0;  // index of the first time concerned
  size_t last = 0;   // and of the last
  double value = 0;
  double threshold = 0;
};

// Findings about measured steps alone (without warm-up), independent of each other.
struct NoiseCauses {
  // The first times lie above all that follow and above the steady median by more than 5 % and six
  // standard deviations. Value: how far the first lies above it, a share of it. 6 times at least.
  std::optional<SeriesFinding> cold_start;
  // The rest of the findings leave the cold start out.
  // First half against second: medians and means both differ by more than 1 % of the mean, in the
  // same direction, and Welch's t test with effective sample sizes is below 0.005 (autocorrelation
  // of the halves without their trends). In stationary series it is found in 0.5 % of cases, and in
  // 4 % where neighbours correlate with 0.5. Value: second less first mean, a share of the mean.
  // 10 times at least.
  std::optional<SeriesFinding> drift;
  // Of all ways to split the sorted times in two with a tenth (and three) at least on each side,
  // the best explains more than 1 - 0.18 (1 - 6.5 / n) of their variance, and the parts' means
  // differ by 2 % of the mean. Normal, exponential, uniform and AR(1) times pass that in 1 to 2 %
  // of series; normal ones explain 64 % of their variance so (Ashman's D of 2 would not tell).
  // Value: the share of the variance. 10 times at least.
  std::optional<SeriesFinding> two_modes;
  // std / mean, above 0.1. 2 times at least: of so few it says little, but not that all is well.
  std::optional<SeriesFinding> noise;
};

NoiseCauses FindNoiseCauses(std::span<const double> measured);

}  // namespace torchlap::measure
