#include "server/measure/comparison.h"

#include <algorithm>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <random>

#include "proto/ranges.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::measure {
namespace {

constexpr size_t kMostExact = 60;
constexpr double kPower = 0.8;
constexpr uint32_t kSeed = 20261123;
// Of logarithms of times in nanoseconds: below it is the rounding of equal numbers.
constexpr double kRounding = 1e-12;
constexpr double kLargestLog = 700;  // of a double

std::vector<double> Logs(std::span<const double> values) {
  std::vector<double> logs;
  for (const double value : values) logs.push_back(std::log(value));
  return logs;
}

// The difference of two means of logs.
struct LogDifference {
  double difference = 0;
  double error = 0;  // standard error
  double freedom = 1;
};

// Welch (1947), Satterthwaite's degrees of freedom. At least two values a side.
LogDifference Difference(std::span<const double> a, std::span<const double> b) {
  const auto count_a = static_cast<double>(a.size());
  const auto count_b = static_cast<double>(b.size());
  const double var_a = *SampleStd(a) * *SampleStd(a) / count_a;
  const double var_b = *SampleStd(b) * *SampleStd(b) / count_b;
  LogDifference found;
  found.difference = *Mean(b) - *Mean(a);
  if (std::abs(found.difference) < kRounding) found.difference = 0;
  found.error = std::sqrt(var_a + var_b);
  if (found.error < kRounding) {
    found.error = 0;
  } else {
    found.freedom = (var_a + var_b) * (var_a + var_b) /
                    (var_a * var_a / (count_a - 1) + var_b * var_b / (count_b - 1));
  }
  return found;
}

double RatioOf(double log_ratio) {
  return std::exp(std::clamp(log_ratio, -kLargestLog, kLargestLog));
}

Interval RatioWithin(const LogDifference& found, double level) {
  // Equal medians on each side: nothing is left to chance.
  if (found.error == 0) return {RatioOf(found.difference), RatioOf(found.difference)};
  const boost::math::students_t student(found.freedom);
  const double reach = boost::math::quantile(student, (1 + level) / 2) * found.error;
  return {RatioOf(found.difference - reach), RatioOf(found.difference + reach)};
}

double TwoSidedP(const LogDifference& found) {
  if (found.error == 0) return found.difference == 0 ? 1 : 0;
  const double t = std::abs(found.difference) / found.error;
  return std::min(1.0, 2 * boost::math::cdf(complement(boost::math::students_t(found.freedom), t)));
}

Interval IntervalOf(const LogDifference& found, const CompareSetting& setting) {
  return RatioWithin(found, 1 - setting.false_alarm_rate);
}

Interval EquivalenceIntervalOf(const LogDifference& found, const CompareSetting& setting) {
  return RatioWithin(found, 1 - 2 * setting.false_alarm_rate);
}

Verdict Decide(const LogDifference& found, const CompareSetting& setting) {
  const double most = 1 + setting.min_effect;
  const Interval equivalence = EquivalenceIntervalOf(found, setting);
  if (equivalence.low > 1 / most && equivalence.high < most) return Verdict::kSame;
  const Interval interval = IntervalOf(found, setting);
  if (interval.high < 1) return Verdict::kFaster;
  if (interval.low > 1) return Verdict::kSlower;
  return Verdict::kInconclusive;
}

double& Of(Verdict verdict, VerdictShares* shares) {
  switch (verdict) {
    case Verdict::kFaster:
      return shares->faster;
    case Verdict::kSlower:
      return shares->slower;
    case Verdict::kSame:
      return shares->same;
    case Verdict::kInconclusive:
      break;
  }
  return shares->inconclusive;
}

// The ranks of all values from 1, ties sharing their mean, doubled so that they are whole. The
// first `a.size()` are a's.
std::vector<size_t> DoubledRanks(std::span<const double> a, std::span<const double> b) {
  std::vector<double> all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  std::vector<double> sorted = all;
  std::sort(sorted.begin(), sorted.end());
  std::vector<size_t> ranks;
  for (const double value : all) {
    const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), value);
    ranks.push_back(static_cast<size_t>((low - sorted.begin()) + (high - sorted.begin())) + 1);
  }
  return ranks;
}

// ways[s]: how many choices of `chosen` of the ranks have the sum s.
std::vector<double> CountSums(const std::vector<size_t>& ranks, size_t chosen) {
  const size_t most = std::accumulate(ranks.begin(), ranks.end(), size_t{0});
  std::vector<std::vector<double>> ways(chosen + 1, std::vector<double>(most + 1, 0));
  ways[0][0] = 1;
  size_t seen = 0;
  size_t largest = 0;  // sum so far
  for (const size_t rank : ranks) {
    largest += rank;
    for (size_t taken = std::min(chosen, ++seen); taken >= 1; --taken) {
      for (size_t sum = largest; sum >= rank; --sum) {
        ways[taken][sum] += ways[taken - 1][sum - rank];
      }
    }
  }
  return ways[chosen];
}

double ExactP(const std::vector<size_t>& ranks, size_t chosen, size_t sum) {
  const std::vector<double> ways = CountSums(ranks, chosen);
  const double all = std::accumulate(ways.begin(), ways.end(), 0.0);
  const auto at = ways.begin() + static_cast<std::ptrdiff_t>(sum);
  const double below = std::accumulate(ways.begin(), at + 1, 0.0);
  const double above = std::accumulate(at, ways.end(), 0.0);
  return std::min(1.0, 2 * std::min(below, above) / all);
}

double ApproximateP(const std::vector<size_t>& ranks, size_t chosen, size_t sum) {
  const auto count = static_cast<double>(ranks.size());
  const auto a = static_cast<double>(chosen);
  // The variance of the sum of ranks drawn without putting back: ties are in it.
  const std::vector<double> halves(ranks.begin(), ranks.end());
  const double rank_variance = *SampleStd(halves) * *SampleStd(halves) / 4;
  const double variance = a * (count - a) / count * rank_variance;
  if (variance == 0) return 1;
  const double off = std::abs(static_cast<double>(sum) / 2 - a * (count + 1) / 2);
  const double z = std::max(0.0, off - 0.5) / std::sqrt(variance);
  return std::min(1.0, 2 * boost::math::cdf(complement(boost::math::normal(), z)));
}

// Chance that the 95 % interval of a difference of `difference` lies on one side of 0. The
// noncentral t costs much, and from some twenty degrees of freedom on it is nearly normal.
double DifferencePower(double difference, double error, double freedom) {
  const double critical = boost::math::quantile(boost::math::students_t(freedom), 0.975);
  const double shift = std::abs(difference) / error;
  if (freedom > 20 || shift > critical + 6) {
    return boost::math::cdf(boost::math::normal(), shift - critical);
  }
  return boost::math::cdf(complement(boost::math::non_central_t(freedom, shift), critical));
}

// Chance that the 90 % interval lies within -+limit.
double EquivalencePower(double difference, double error, double freedom, double limit) {
  const double critical = boost::math::quantile(boost::math::students_t(freedom), 0.95);
  const boost::math::normal normal;
  const double inside = boost::math::cdf(normal, (limit - difference) / error - critical) +
                        boost::math::cdf(normal, (limit + difference) / error - critical) - 1;
  return std::max(0.0, inside);
}

bool Decides(uint32_t launches, double log_ratio, double log_std, double limit) {
  const double freedom = 2.0 * launches - 2;
  const double error = log_std * std::sqrt(2.0 / launches);
  return EquivalencePower(log_ratio, error, freedom, limit) >= kPower ||
         DifferencePower(log_ratio, error, freedom) >= kPower;
}

// Both spreads as one of equal numbers.
double PooledStd(std::span<const double> a, std::span<const double> b) {
  const double std_a = *SampleStd(a);
  const double std_b = *SampleStd(b);
  return std::sqrt((std_a * std_a + std_b * std_b) / 2);
}

// Logs of medians of made-up launches. By the quantile: the standard normal distribution differs
// from library to library.
class MadeUpLogs {
 public:
  explicit MadeUpLogs(double log_std) : log_std_(log_std) {}

  void Fill(double mean, std::vector<double>* logs) {
    std::generate(logs->begin(), logs->end(), [&] { return Draw(mean); });
  }

 private:
  double Draw(double mean) {
    const double uniform = (generator_() + 0.5) / 4294967296.0;
    return mean + log_std_ * boost::math::quantile(normal_, uniform);
  }

  const double log_std_;
  std::mt19937 generator_{kSeed};
  const boost::math::normal normal_;
};

// Of the first look that decides.
Verdict LookUntilDecided(std::span<const double> a, std::span<const double> b,
                         const CompareSetting& setting) {
  for (const uint32_t launches : kLooks) {
    const Verdict verdict = Decide(Difference(a.first(launches), b.first(launches)), setting);
    if (verdict != Verdict::kInconclusive) return verdict;
  }
  return Verdict::kInconclusive;
}

}  // namespace

Comparison Compare(std::span<const double> a, std::span<const double> b,
                   const CompareSetting& setting) {
  const std::vector<double> logs_a = Logs(a);
  const std::vector<double> logs_b = Logs(b);
  Comparison comparison;
  comparison.ratio = std::exp(*Mean(logs_b) - *Mean(logs_a));
  comparison.mann_whitney_p = MannWhitneyP(a, b);
  if (a.size() < 2 || b.size() < 2) return comparison;
  const LogDifference found = Difference(logs_a, logs_b);
  comparison.interval = IntervalOf(found, setting);
  comparison.equivalence_interval = EquivalenceIntervalOf(found, setting);
  comparison.welch_p = TwoSidedP(found);
  comparison.verdict = Decide(found, setting);
  if (comparison.verdict == Verdict::kInconclusive) {
    comparison.launches_to_decide =
        LaunchesToDecide(found.difference, PooledStd(logs_a, logs_b), setting.min_effect);
  }
  return comparison;
}

std::optional<double> MannWhitneyP(std::span<const double> a, std::span<const double> b) {
  if (a.empty() || b.empty()) return std::nullopt;
  const std::vector<size_t> ranks = DoubledRanks(a, b);
  const auto end = ranks.begin() + static_cast<std::ptrdiff_t>(a.size());
  const size_t sum = std::accumulate(ranks.begin(), end, size_t{0});
  return ranks.size() <= kMostExact ? ExactP(ranks, a.size(), sum)
                                    : ApproximateP(ranks, a.size(), sum);
}

std::vector<double> HolmAdjust(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t x, size_t y) { return p[x] < p[y]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, p[order[i]] * static_cast<double>(order.size() - i));
    adjusted[order[i]] = std::min(1.0, largest);
  }
  return adjusted;
}

std::optional<uint32_t> LaunchesToDecide(double log_ratio, double log_std, double min_effect) {
  const double limit = std::log1p(min_effect);
  if (log_std == 0) return 2;
  const auto most = static_cast<uint32_t>(RangeOf<v1::Plan>(v1::Plan::kLaunchesFieldNumber).max);
  if (!Decides(most, log_ratio, log_std, limit)) return std::nullopt;
  uint32_t too_few = 1;
  uint32_t enough = most;
  while (enough - too_few > 1) {
    const uint32_t middle = (too_few + enough) / 2;
    (Decides(middle, log_ratio, log_std, limit) ? enough : too_few) = middle;
  }
  return enough;
}

VerdictShares SimulateVerdicts(double ratio, double log_std, uint32_t launches, double min_effect,
                               uint32_t trials) {
  if (launches < 2) return {.inconclusive = 1};
  MadeUpLogs logs(log_std);
  VerdictShares shares;
  std::vector<double> a(launches);
  std::vector<double> b(launches);
  for (uint32_t trial = 0; trial < trials; ++trial) {
    logs.Fill(0, &a);
    logs.Fill(std::log(ratio), &b);
    Of(Decide(Difference(a, b), {.min_effect = min_effect}), &shares) += 1.0 / trials;
  }
  return shares;
}

double SimulateLooks(double log_std, const CompareSetting& setting, uint32_t sequences) {
  MadeUpLogs logs(log_std);
  std::vector<double> a(kLooks.back());
  std::vector<double> b(kLooks.back());
  uint32_t alarms = 0;
  for (uint32_t i = 0; i < sequences; ++i) {
    logs.Fill(0, &a);
    logs.Fill(0, &b);
    const Verdict verdict = LookUntilDecided(a, b, setting);
    if (verdict == Verdict::kFaster || verdict == Verdict::kSlower) ++alarms;
  }
  return static_cast<double>(alarms) / sequences;
}

std::optional<double> LearnedMinEffect(std::span<const double> medians) {
  if (medians.size() < kFewestToLearnFrom) return std::nullopt;
  return std::clamp(2 * *SampleStd(Logs(medians)), kLeastLearnedMinEffect, 1.0);
}

}  // namespace torchlap::measure
