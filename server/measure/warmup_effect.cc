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
constexpr double kNormal975 = 1.959963984540054;

// All runs with one number of warm-up steps.
struct Group {
  double mean_ns = 0;
  double std_ns = 0;
  double measured = 0;  // steps
};

uint32_t WarmupOf(const v1::Run& run) {
  return run.has_actual_warmup_steps() ? run.actual_warmup_steps() : run.plan().warmup_steps();
}

uint32_t MeasuredOf(const v1::Run& run) {
  return run.has_actual_measure_steps() ? run.actual_measure_steps() : run.plan().measure_steps();
}

std::map<uint32_t, Group> GroupByWarmup(const std::vector<v1::Run>& runs) {
  std::map<uint32_t, std::vector<double>> means;
  std::map<uint32_t, std::vector<double>> stds;
  std::map<uint32_t, Group> groups;
  for (const v1::Run& run : runs) {
    if (!run.step().has_std_ns()) continue;
    const uint32_t warmup = WarmupOf(run);
    means[warmup].push_back(run.step().mean_ns());
    stds[warmup].push_back(run.step().std_ns());
    groups[warmup] = {*Median(means[warmup]), *Median(stds[warmup]),
                      static_cast<double>(MeasuredOf(run))};
  }
  return groups;
}

double ShareThreshold(const Group& reference) {
  return std::max(kLeastShare, kNormal975 * reference.std_ns / reference.mean_ns *
                                   std::sqrt(2 / reference.measured));
}

// Standard deviations of normal values differ by more than this in 2.5 % of cases.
double StdThreshold(const Group& cold, const Group& reference) {
  const boost::math::fisher_f fisher(std::max(1.0, cold.measured - 1),
                                     std::max(1.0, reference.measured - 1));
  return std::sqrt(boost::math::quantile(fisher, 0.975));
}

void AddColdMean(const Group& cold, const Group& reference, double threshold,
                 std::vector<WarmupFinding>* findings) {
  const double inflated = cold.mean_ns / reference.mean_ns - 1;
  if (inflated > threshold) {
    findings->push_back(
        {.clause = WarmupClause::kMeanInflated, .value = inflated, .threshold = threshold});
  }
}

void AddColdStd(const Group& cold, const Group& reference, std::vector<WarmupFinding>* findings) {
  if (!(reference.std_ns > 0)) return;
  const double factor = cold.std_ns / reference.std_ns;
  const double threshold = StdThreshold(cold, reference);
  if (factor > threshold) {
    findings->push_back(
        {.clause = WarmupClause::kStdInflated, .value = factor, .threshold = threshold});
  }
}

void AddFirstStep(const std::vector<v1::Run>& runs, std::vector<WarmupFinding>* findings) {
  std::vector<double> ratios;
  for (const v1::Run& run : runs) {
    if (run.has_cold_steady_ratio()) ratios.push_back(run.cold_steady_ratio());
  }
  const std::optional<double> ratio = Median(ratios);
  if (!ratio || *ratio <= kSlowFirstStep) return;
  findings->push_back({.clause = WarmupClause::kFirstStepSlow,
                       .value = *ratio,
                       .threshold = kSlowFirstStep,
                       .count = static_cast<uint32_t>(ratios.size())});
}

void AddSettling(const std::vector<v1::Run>& runs, std::vector<WarmupFinding>* findings) {
  WarmupFinding finding{.clause = WarmupClause::kSettles, .of = static_cast<uint32_t>(runs.size())};
  for (const v1::Run& run : runs) {
    if (!run.has_settles_at_step()) continue;
    ++finding.count;
    finding.steps = std::max(finding.steps, run.settles_at_step());
  }
  if (finding.count == 0) finding.clause = WarmupClause::kNeverSettles;
  findings->push_back(finding);
}

void AddEnough(const std::map<uint32_t, Group>& groups, double threshold,
               std::vector<WarmupFinding>* findings) {
  const Group& reference = groups.rbegin()->second;
  double largest = 0;
  // From the longest warm-up down, to the first that is off.
  std::optional<uint32_t> enough;
  bool all_near = true;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    const double off = std::abs(group->second.mean_ns / reference.mean_ns - 1);
    largest = std::max(largest, off);
    all_near = all_near && off <= threshold;
    if (all_near) enough = group->first;
  }
  if (all_near) {
    findings->push_back(
        {.clause = WarmupClause::kNoDifference, .value = largest, .threshold = threshold});
  } else {
    findings->push_back(
        {.clause = WarmupClause::kEnoughWarmup, .threshold = threshold, .steps = *enough});
  }
}

}  // namespace

std::vector<WarmupFinding> CompareWarmups(const std::vector<v1::Run>& runs) {
  const std::map<uint32_t, Group> groups = GroupByWarmup(runs);
  std::vector<WarmupFinding> findings;
  if (groups.size() < 2) return findings;
  const Group& reference = groups.rbegin()->second;
  const double threshold = ShareThreshold(reference);
  if (groups.begin()->first == 0) {
    AddColdMean(groups.begin()->second, reference, threshold, &findings);
    AddColdStd(groups.begin()->second, reference, &findings);
  }
  AddFirstStep(runs, &findings);
  AddSettling(runs, &findings);
  AddEnough(groups, threshold, &findings);
  return findings;
}

}  // namespace torchlap::measure
