#include "server/measure/cell_change.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <span>
#include <utility>

#include "server/measure/change_points.h"
#include "server/measure/comparison.h"
#include "server/measure/statistics.h"

namespace torchlap::measure {
namespace {

using Kind = CellState::Kind;

// A comparison of one launch decides nothing.
constexpr size_t kFewestLaunches = 2;

std::vector<double> Medians(std::span<const CellRun> runs) {
  std::vector<double> medians;
  medians.reserve(runs.size());
  for (const CellRun& run : runs) medians.push_back(run.median_ns);
  return medians;
}

// Of each sweep, in the order of their first runs.
std::vector<double> MediansOfSweeps(std::span<const CellRun> runs) {
  std::vector<std::pair<uint64_t, std::vector<double>>> sweeps;
  for (const CellRun& run : runs) {
    const auto found = std::find_if(sweeps.rbegin(), sweeps.rend(),
                                    [&](const auto& sweep) { return sweep.first == run.sweep_id; });
    if (found != sweeps.rend()) {
      found->second.push_back(run.median_ns);
    } else {
      sweeps.push_back({run.sweep_id, {run.median_ns}});
    }
  }
  std::vector<double> medians;
  for (auto& [sweep, times] : sweeps) medians.push_back(Median(std::move(times)).value_or(0));
  return medians;
}

// Four standard deviations: a sweep that is that far off is no usual one, while every 20th is two
// of them off, and each cell is judged every night. By the median of the distances: a night that
// was found to be another one must not hide the next.
std::optional<double> MinEffectOfSweeps(std::span<const CellRun> runs) {
  std::vector<double> logs = OverTheirLevels(MediansOfSweeps(runs));
  if (logs.size() < kFewestSweepsBefore) return std::nullopt;
  for (double& x : logs) x = std::log(x);
  constexpr double kDeviationsOfNormal = 1.4826;
  return std::min(1.0, 4 * kDeviationsOfNormal * MedianAbsoluteDeviation(logs).value_or(0));
}

// Whether so many sweeps came before that one knows how they differ.
bool IsKnownEnough(const CellHistory& history) {
  std::set<uint64_t> sweeps;
  for (const CellRun& run : history.runs) {
    if (run.sweep_id != history.sweep_id) sweeps.insert(run.sweep_id);
  }
  return sweeps.size() >= kFewestSweepsBefore;
}

// Of the sweeps without the one that is judged: it must not hide what it shows.
double MinEffectOf(std::span<const CellRun> runs, uint64_t sweep_id) {
  std::vector<CellRun> earlier(runs.begin(), runs.end());
  std::erase_if(earlier, [&](const CellRun& run) { return run.sweep_id == sweep_id; });
  const auto launches = LearnedMinEffect(OverTheirLevels(Medians(runs)));
  const auto sweeps = MinEffectOfSweeps(earlier);
  if (!launches && !sweeps) return kDefaultMinEffect;
  return std::max(launches.value_or(0), sweeps.value_or(0));
}

bool IsAlike(double a_ns, double b_ns, double min_effect) {
  return std::abs(std::log(a_ns / b_ns)) < std::log1p(min_effect);
}

// ---- against a baseline ----

// Places of the sweep's runs, and of the ones before the last where these are too few.
std::vector<size_t> PlacesToCompare(const CellHistory& history) {
  std::vector<size_t> of_sweep;
  std::vector<size_t> others;
  for (size_t i = 0; i < history.runs.size(); ++i) {
    if (history.runs[i].in_baseline) continue;
    (history.runs[i].sweep_id == history.sweep_id ? of_sweep : others).push_back(i);
  }
  while (of_sweep.size() < kFewestLaunches && !others.empty()) {
    of_sweep.push_back(others.back());
    others.pop_back();
  }
  std::sort(of_sweep.begin(), of_sweep.end());
  return of_sweep;
}

Kind KindOf(const Comparison& comparison, double min_effect) {
  if (IsAlike(comparison.ratio, 1, min_effect)) return Kind::kUnchanged;
  const bool is_decided =
      comparison.verdict == Verdict::kFaster || comparison.verdict == Verdict::kSlower;
  return is_decided ? Kind::kChanged : Kind::kUnknown;
}

CellState AgainstBaseline(const CellHistory& history, const std::vector<size_t>& places) {
  std::vector<double> now;
  CellState state;
  state.against_baseline = true;
  for (const size_t place : places) {
    now.push_back(history.runs[place].median_ns);
    state.is_seen |= history.runs[place].sweep_id == history.sweep_id;
  }
  state.first = places.front();
  state.last = places.back();
  state.min_effect = MinEffectOf(std::span(history.runs).first(state.first), history.sweep_id);
  const Comparison comparison = Compare(history.baseline_ns, now, {.min_effect = state.min_effect});
  state.p = comparison.welch_p;
  state.before_ns = Median(history.baseline_ns).value_or(0);
  state.after_ns = Median(std::move(now)).value_or(0);
  state.kind = KindOf(comparison, state.min_effect);
  return state;
}

// ---- against the cell's own past ----

struct Level {
  double ns = 0;
  size_t first = 0;
  std::optional<ChangePoint> step = {};
};

Level LastLevel(std::span<const CellRun> runs, double min_effect) {
  const std::vector<double> medians = Medians(runs);
  const std::vector<ChangePoint> steps = FindChangePoints(medians, min_effect);
  if (steps.empty()) return {Median(medians).value_or(0), 0, std::nullopt};
  return {steps.back().after, steps.back().point, steps.back()};
}

// Runs that an earlier sweep of a suite, or its absence, has left to be judged before: up to the
// last of the suite's sweep before this one, else all before this one.
std::span<const CellRun> JudgedBefore(const CellHistory& history) {
  const auto& runs = history.runs;
  const auto first = std::find_if(runs.begin(), runs.end(), [&](const CellRun& run) {
    return run.sweep_id == history.sweep_id;
  });
  const auto last = std::find_if(std::make_reverse_iterator(first), runs.rend(),
                                 [](const CellRun& run) { return run.is_suites; });
  const auto end = last == runs.rend() ? first : last.base();
  return std::span(runs).first(static_cast<size_t>(end - runs.begin()));
}

bool HasRunsOfSweep(const CellHistory& history, size_t from) {
  return std::any_of(history.runs.begin() + static_cast<std::ptrdiff_t>(from), history.runs.end(),
                     [&](const CellRun& run) { return run.sweep_id == history.sweep_id; });
}

// What the last level is held against; nothing: it was so before.
std::optional<double> BeforeOf(const CellHistory& history, const Level& now, double min_effect) {
  const std::optional<KnownFinding>& known = history.known;
  if (known && known->is_open) return known->before_ns;
  if (known && IsAlike(now.ns, known->before_ns, min_effect)) return std::nullopt;
  const bool is_not_fixed = known && !known->closed_by_itself && known->was_closed_before &&
                            IsAlike(now.ns, known->after_ns, min_effect);
  if (is_not_fixed) return known->before_ns;
  if (!now.step) return std::nullopt;
  const std::span<const CellRun> judged = JudgedBefore(history);
  const bool was_so =
      !judged.empty() && IsAlike(LastLevel(judged, min_effect).ns, now.ns, min_effect);
  return was_so ? std::nullopt : std::make_optional(now.step->before);
}

CellState AgainstPast(const CellHistory& history) {
  CellState state;
  if (history.runs.empty()) return state;
  state.min_effect = MinEffectOf(history.runs, history.sweep_id);
  const Level now = LastLevel(history.runs, state.min_effect);
  state.first = now.first;
  state.last = history.runs.size() - 1;
  if (now.first > 0) state.last_before = now.first - 1;
  state.after_ns = now.ns;
  state.is_seen = HasRunsOfSweep(history, now.first);
  const bool is_open = history.known && history.known->is_open;
  if (!is_open && (!state.is_seen || !IsKnownEnough(history))) return state;
  const std::optional<double> before = BeforeOf(history, now, state.min_effect);
  state.before_ns = before.value_or(now.ns);
  state.kind =
      before && !IsAlike(now.ns, *before, state.min_effect) ? Kind::kChanged : Kind::kUnchanged;
  return state;
}

bool IsSlower(double before_ns, double after_ns) { return after_ns > before_ns; }

// By more than nothing.
bool IsLarger(const KnownFinding& known, const CellState& state) {
  if (IsAlike(state.after_ns, known.after_ns, state.min_effect)) return false;
  return std::abs(std::log(state.after_ns / state.before_ns)) >
         std::abs(std::log(known.after_ns / known.before_ns));
}

}  // namespace

CellState StateOf(const CellHistory& history) {
  const std::vector<size_t> places =
      history.baseline_ns.empty() ? std::vector<size_t>() : PlacesToCompare(history);
  CellState state = places.empty() ? AgainstPast(history) : AgainstBaseline(history, places);
  state.has_open_finding = history.known && history.known->is_open;
  return state;
}

void KeepFalseAlarmsRare(std::vector<CellState>* states) {
  std::vector<size_t> compared;
  std::vector<double> p;
  for (size_t i = 0; i < states->size(); ++i) {
    const CellState& state = (*states)[i];
    if (state.has_open_finding || !state.against_baseline || !state.p) continue;
    compared.push_back(i);
    p.push_back(*state.p);
  }
  const std::vector<double> adjusted = HolmAdjust(p);
  for (size_t i = 0; i < compared.size(); ++i) {
    CellState& state = (*states)[compared[i]];
    if (state.kind == Kind::kChanged && adjusted[i] > kDefaultFalseAlarmRate) {
      state.kind = Kind::kUnknown;
    }
  }
}

FindingStep NextStep(const std::optional<KnownFinding>& known, const CellState& state) {
  const bool is_changed = state.kind == Kind::kChanged;
  if (!known || !known->is_open) return is_changed ? FindingStep::kOpen : FindingStep::kNothing;
  if (state.kind == Kind::kUnknown) return FindingStep::kNothing;
  if (!is_changed) return FindingStep::kClose;
  if (IsSlower(known->before_ns, known->after_ns) != IsSlower(state.before_ns, state.after_ns)) {
    return FindingStep::kCloseAndOpen;
  }
  if (IsLarger(*known, state)) return FindingStep::kRenew;
  return state.is_seen ? FindingStep::kSeen : FindingStep::kNothing;
}

}  // namespace torchlap::measure
