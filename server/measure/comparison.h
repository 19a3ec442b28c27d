// Is B faster than A? Decided from the medians of independent launches. Pure; what draws random
// numbers seeds its own generator with a constant.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "server/measure/statistics.h"

namespace torchlap::measure {

enum class Verdict { kInconclusive, kFaster, kSlower, kSame };

// Differences below this are called none.
inline constexpr double kDefaultMinEffect = 0.01;

// Chance that sides which are equal come out faster or slower.
inline constexpr double kDefaultFalseAlarmRate = 0.05;

// Launches a side at which a comparison that goes on until it is decided is looked at, and the
// false alarm rate of each look. Every look is another chance of a false alarm: four at 0.05 have
// 15 % together. Pocock (1977) has 0.0182 for four looks that are evenly spaced; these double, have
// less in common, and with that come to 5.6 %, with 0.016 to 5 % (SimulateLooks). The client's
// `--until-decided` asks for it.
inline constexpr std::array<uint32_t, 4> kLooks = {4, 8, 16, 32};
inline constexpr double kLookLevel = 0.016;

struct CompareSetting {
  // Above 0, a share.
  double min_effect = kDefaultMinEffect;
  // Above 0, at most 0.5.
  double false_alarm_rate = kDefaultFalseAlarmRate;
};

struct Comparison {
  Verdict verdict = Verdict::kInconclusive;
  // B over A: ratio of the geometric means of the launches' medians.
  double ratio = 1;
  // Of the ratio, by Welch's t on the logarithms, at 1 - false_alarm_rate: 95 % unless it is set.
  // Unset with one launch on a side.
  std::optional<Interval> interval;
  // At 1 - 2 * false_alarm_rate: the two one-sided tests.
  std::optional<Interval> equivalence_interval;
  // Two-sided, of the same t. Unset with one launch on a side.
  std::optional<double> welch_p;
  // Exact, two-sided. It cannot fall below 2 / C(a + b, a): 0.029 with 4 launches a side, 0.0006
  // with 7.
  std::optional<double> mann_whitney_p;
  // Inconclusive only: launches a side at which a comparison with this ratio and these spreads is
  // decided in 80 % of cases. Unset: more than 1000, or unknown (one launch a side).
  std::optional<uint32_t> launches_to_decide;
};

// `a` and `b`: the median step time of each launch, above 0, at least one a side.
//   same          equivalence_interval lies within 1 / (1 + min_effect) and 1 + min_effect (two
//                 one-sided tests at false_alarm_rate; Schuirmann, 1987)
//   faster        else, and the interval lies below 1
//   slower        above 1
//   inconclusive  else, and always with one launch on a side
// Sides without any spread leave nothing to chance: the intervals are the ratio.
Comparison Compare(std::span<const double> a, std::span<const double> b,
                   const CompareSetting& setting = {});

// Two-sided p of the Mann-Whitney U test: twice the smaller tail of the rank sum, at most 1. Exact,
// ties by midranks among all ways to deal the ranks out, up to 60 values together; beyond that the
// normal approximation with corrections for ties and continuity. nullopt if a side is empty.
std::optional<double> MannWhitneyP(std::span<const double> a, std::span<const double> b);

// Adjusted p values in the order of `p` (Holm, 1979): comparing each with a level keeps the chance
// of any false alarm among them below that level.
std::vector<double> HolmAdjust(std::span<const double> p);

// Launches a side at which Compare, at the default false alarm rate, says faster or slower, or
// same, in 80 % of cases, if the logs of the medians differ by log_ratio and have this standard
// deviation: power of the t test by the noncentral t distribution (normal around the quantile of t
// from 12 launches a side on), of the equivalence test by the normal one. nullopt: more than 1000.
std::optional<uint32_t> LaunchesToDecide(double log_ratio, double log_std, double min_effect);

// Share of comparisons in which Compare gives each verdict, if B takes `ratio` times A's time and
// launches scatter normally with log_std, by `trials` made-up comparisons (2000: +-0.02).
struct VerdictShares {
  double faster = 0;
  double slower = 0;
  double same = 0;
  double inconclusive = 0;
};
VerdictShares SimulateVerdicts(double ratio, double log_std, uint32_t launches,
                               double min_effect = kDefaultMinEffect, uint32_t trials = 2000);

// Share of sequences of looks at equal sides that end faster or slower: launches are added up to
// each of kLooks, and the first look that decides anything ends its sequence. log_std as above.
double SimulateLooks(double log_std, const CompareSetting& setting, uint32_t sequences);

// The smallest difference worth a word, learned from the medians of launches of one series, each
// above 0: twice the standard deviation of their logarithms, so that 95 % of single launches lie
// within, from 0.001 to 1. Nothing: fewer than 5 are known.
inline constexpr size_t kFewestToLearnFrom = 5;
inline constexpr double kLeastLearnedMinEffect = 0.001;
std::optional<double> LearnedMinEffect(std::span<const double> medians);

}  // namespace torchlap::measure
