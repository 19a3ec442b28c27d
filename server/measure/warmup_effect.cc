#include "server/measure/warmup_effect.h"

#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <map>
#include <optional>

#include "server/measure/statistics.h"

namespace torchlap::measure {
namespace {

constexpr double kLeastShare = 0.01;
constexpr double kSlowFirstStep = 1.05;

// All runs with one number of warm-up steps.
struct Group {
  double mean_ns = 0;
  double std_ns = 0;
  uint32_t measured = 0;  // steps
  std::optional<double> lag1;
  uint32_t runs = 0;
  uint32_t contaminated = 0;
  bool settles = true;  // all of them
};

uint32_t WarmupOf(const v1::Run& run) {
  return run.has_actual_warmup_steps() ? run.actual_warmup_steps() : run.plan().warmup_steps();
}

uint32_t MeasuredOf(const v1::Run& run) {
  return run.has_actual_measure_steps() ? run.actual_measure_steps() : run.plan().measure_steps();
}

bool IsContaminated(const v1::Run& run) { return run.validity() == v1::VALIDITY_CONTAMINATED; }

std::map<uint32_t, Group> GroupByWarmup(const std::vector<v1::Run>& runs) {
  std::map<uint32_t, std::vector<double>> means;
  std::map<uint32_t, std::vector<double>> stds;
  std::map<uint32_t, Group> groups;
  for (const v1::Run& run : runs) {
    if (!run.step().has_std_ns()) continue;
    const uint32_t warmup = WarmupOf(run);
    means[warmup].push_back(run.step().mean_ns());
    stds[warmup].push_back(run.step().std_ns());
    Group& group = groups[warmup];
    group.mean_ns = *Median(means[warmup]);
    group.std_ns = *Median(stds[warmup]);
    group.measured = MeasuredOf(run);
    if (run.step().has_lag1()) group.lag1 = run.step().lag1();
    group.settles = group.settles && run.has_settles_at_step();
    ++group.runs;
    group.contaminated += IsContaminated(run) ? 1 : 0;
  }
  return groups;
}

double HalfWidth(const Group& group) {
  return MeanHalfWidth(group.measured, group.std_ns, group.lag1).value_or(0);
}

// What the two means differ by in 5 % of cases if nothing but noise tells them apart, a share of
// the reference's. Times that settle show what of them was a cold start, which is no noise: theirs
// is the reference's. Of times that do not settle any may be noise: their own spread counts.
double NoiseShare(const Group& reference, const Group& group) {
  const double other = group.settles ? HalfWidth(reference) : HalfWidth(group);
  return std::hypot(HalfWidth(reference), other) / reference.mean_ns;
}

// A group against the one with the longest warm-up.
struct Difference {
  double share = 0;
  double noise = 0;

  bool IsTold() const { return std::abs(share) > std::max(kLeastShare, noise); }
  // No mean is below 0, however little is known of it.
  Interval interval() const { return {std::max(-1.0, share - noise), share + noise}; }
};

Difference Against(const Group& reference, const Group& group) {
  return {group.mean_ns / reference.mean_ns - 1, NoiseShare(reference, group)};
}

// Standard deviations of normal values differ by more than this factor in 2.5 % of cases.
double StdThreshold(const Group& above, const Group& below) {
  const boost::math::fisher_f fisher(std::max(1.0, above.measured - 1.0),
                                     std::max(1.0, below.measured - 1.0));
  return std::sqrt(boost::math::quantile(fisher, 0.975));
}

WarmupFinding Between(WarmupClause clause, const Group& cold, const Group& reference) {
  return {.clause = clause,
          .of = cold.runs + reference.runs,
          .contaminated = cold.contaminated + reference.contaminated};
}

void AddColdMean(const Group& cold, const Group& reference, std::vector<WarmupFinding>* findings) {
  const Difference difference = Against(reference, cold);
  if (difference.share <= kLeastShare) return;
  WarmupFinding finding = Between(WarmupClause::kMeanInflated, cold, reference);
  finding.value = difference.share;
  finding.threshold = kLeastShare;
  finding.interval = difference.interval();
  findings->push_back(finding);
}

void AddColdStd(const Group& cold, const Group& reference, std::vector<WarmupFinding>* findings) {
  if (!(reference.std_ns > 0)) return;
  const double factor = cold.std_ns / reference.std_ns;
  const double threshold = StdThreshold(cold, reference);
  if (factor <= threshold) return;
  WarmupFinding finding = Between(WarmupClause::kStdInflated, cold, reference);
  finding.value = factor;
  finding.threshold = threshold;
  finding.interval = Interval{factor / threshold, factor * StdThreshold(reference, cold)};
  findings->push_back(finding);
}

// Of the mean of logarithms, as a factor; nullopt for one run.
std::optional<Interval> FactorInterval(const std::vector<double>& logarithms) {
  const std::optional<double> std = SampleStd(logarithms);
  if (!std) return std::nullopt;
  const double reach = *MeanHalfWidth(logarithms.size(), *std, std::nullopt);
  return Interval{std::exp(*Mean(logarithms) - reach), std::exp(*Mean(logarithms) + reach)};
}

void AddFirstStep(const std::vector<v1::Run>& runs, std::vector<WarmupFinding>* findings) {
  WarmupFinding finding{.clause = WarmupClause::kFirstStepSlow, .threshold = kSlowFirstStep};
  std::vector<double> logarithms;
  for (const v1::Run& run : runs) {
    // Times that settle with the first step have none that is slower than the noise.
    if (!run.has_cold_steady_ratio() || run.settles_at_step() == 0) continue;
    logarithms.push_back(std::log(run.cold_steady_ratio()));
    finding.contaminated += IsContaminated(run) ? 1 : 0;
  }
  if (logarithms.empty()) return;
  finding.count = static_cast<uint32_t>(logarithms.size());
  finding.of = static_cast<uint32_t>(runs.size());
  finding.value = std::exp(*Mean(logarithms));
  finding.interval = FactorInterval(logarithms);
  const double low = finding.interval ? finding.interval->low : finding.value;
  if (finding.value > kSlowFirstStep && low > 1) findings->push_back(finding);
}

uint32_t CountContaminated(const std::vector<v1::Run>& runs) {
  return static_cast<uint32_t>(std::count_if(runs.begin(), runs.end(), IsContaminated));
}

void AddSettling(const std::vector<v1::Run>& runs, std::vector<WarmupFinding>* findings) {
  WarmupFinding finding{.clause = WarmupClause::kSettles,
                        .of = static_cast<uint32_t>(runs.size()),
                        .contaminated = CountContaminated(runs)};
  for (const v1::Run& run : runs) {
    if (!run.has_settles_at_step()) continue;
    ++finding.count;
    finding.steps = std::max(finding.steps, run.settles_at_step());
  }
  if (finding.count == 0) finding.clause = WarmupClause::kNeverSettles;
  findings->push_back(finding);
}

// From the longest warm-up down, to the first mean that can be told from its.
void AddEnough(const std::map<uint32_t, Group>& groups, std::vector<WarmupFinding>* findings) {
  const Group& reference = groups.rbegin()->second;
  WarmupFinding finding{.clause = WarmupClause::kNoDifference, .threshold = kLeastShare};
  Difference largest{0, NoiseShare(reference, reference)};
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    const Difference difference = Against(reference, group->second);
    if (difference.IsTold()) {
      finding.clause = WarmupClause::kEnoughWarmup;
      break;
    }
    if (std::abs(difference.share) > std::abs(largest.share)) largest = difference;
    finding.steps = group->first;
  }
  const bool only_longest = finding.steps == groups.rbegin()->first;
  if (finding.clause == WarmupClause::kNoDifference) finding.steps = 0;
  if (!only_longest) {
    // Its sign is no news, as it is none that could be told from 0.
    finding.value = std::abs(largest.share);
    finding.interval = Difference{finding.value, largest.noise}.interval();
  }
  for (const auto& [steps, group] : groups) {
    finding.of += group.runs;
    finding.contaminated += group.contaminated;
  }
  findings->push_back(finding);
}

}  // namespace

std::vector<WarmupFinding> CompareWarmups(const std::vector<v1::Run>& runs) {
  const std::map<uint32_t, Group> groups = GroupByWarmup(runs);
  std::vector<WarmupFinding> findings;
  if (groups.size() < 2) return findings;
  const Group& reference = groups.rbegin()->second;
  if (groups.begin()->first == 0) {
    AddColdMean(groups.begin()->second, reference, &findings);
    AddColdStd(groups.begin()->second, reference, &findings);
  }
  AddFirstStep(runs, &findings);
  AddSettling(runs, &findings);
  AddEnough(groups, &findings);
  return findings;
}

}  // namespace torchlap::measure
