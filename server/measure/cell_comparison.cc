#include "server/measure/cell_comparison.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <span>
#include <tuple>

#include "proto/ranges.h"
#include "proto/run_subject.h"
#include "proto/words.h"
#include "server/measure/change_points.h"
#include "server/measure/environment_changes.h"
#include "server/measure/identity.h"

namespace torchlap::measure {
namespace {

using Attempt = ComparedRuns::Attempt;
using Attempts = std::vector<const Attempt*>;
using Conditions = ComparedRuns::Conditions;
using Group = ComparedRuns::Group;
using Side = ComparedRuns::Side;
using Kind = CompareAxis::Kind;
using Environments = std::map<std::string, v1::Environment>;

// Some groups become no row: a ladder's sizes.
constexpr size_t kMostGroups = 4 * kMostComparedCells;
constexpr std::array<v1::Phase, 5> kPhasesInOrder = {v1::PHASE_UNSPECIFIED, v1::PHASE_FORWARD,
                                                     v1::PHASE_LOSS, v1::PHASE_BACKWARD,
                                                     v1::PHASE_OPTIMIZER};

absl::Status TooMany(size_t many, const char* what, size_t most) {
  return absl::ResourceExhaustedError("the comparison has " + std::to_string(many) + " " + what +
                                      ", must have at most " + std::to_string(most) +
                                      ": narrow it, by size, pass, time or label");
}

const v1::PhaseSummary& SummaryOf(const v1::Run& run, v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_FORWARD:
      return run.forward();
    case v1::PHASE_LOSS:
      return run.loss();
    case v1::PHASE_BACKWARD:
      return run.backward();
    case v1::PHASE_OPTIMIZER:
      return run.optimizer();
    default:
      return run.step();
  }
}

std::string StepsWords(const v1::Plan& plan) {
  const auto usual = static_cast<uint32_t>(DefaultOf<v1::Plan>(v1::Plan::kMeasureStepsFieldNumber));
  return std::to_string(plan.has_measure_steps() ? plan.measure_steps() : usual) +
         (plan.has_target_precision() ? " or more" : "");
}

Attempt AttemptOf(const v1::Run& run) {
  Attempt attempt;
  attempt.run_id = run.run_id();
  attempt.environment_hash = run.environment_hash();
  attempt.device = run.device();
  attempt.device_uuid = run.device_uuid();
  attempt.steps = StepsWords(run.plan());
  attempt.started_at_ns = run.started_at_ns();
  for (const v1::Phase phase : kPhasesInOrder) {
    attempt.medians_ns[phase] = std::max(0.0, SummaryOf(run, phase).median_ns());
  }
  attempt.is_ok = run.outcome() == v1::OUTCOME_OK && attempt.medians_ns[v1::PHASE_UNSPECIFIED] > 0;
  attempt.is_contaminated = run.validity() == v1::VALIDITY_CONTAMINATED;
  return attempt;
}

// Also what cells are matched by.
v1::Run CellSubjectOf(const v1::Run& run) {
  v1::Run subject = SubjectOf(run);
  subject.set_workload_hash(run.workload_hash());
  if (run.has_threads()) subject.set_threads(run.threads());
  return subject;
}

std::string KeyOf(Side side, const Group& group, const std::string& environment_hash) {
  const Conditions& conditions = group.conditions;
  std::string key = side == Side::kA ? "a" : "b";
  for (const std::string& part :
       {group.workload, std::to_string(conditions.timing), conditions.device_model,
        std::to_string(conditions.execution), std::to_string(conditions.warmup_steps),
        std::to_string(conditions.warmup_until_settled), conditions.memory_fraction,
        std::to_string(conditions.threads), group.value, environment_hash}) {
    key += std::to_string(part.size()) + ":" + part;
  }
  return key;
}

// One side of a row.
struct SideCell {
  std::string workload;
  Conditions conditions;
  std::string value;
  v1::Run newest;
  Attempts attempts;
};

// A run that failed early does not know its threads, and is of the launches around it.
bool IsOneCell(const SideCell& cell, const Group& group) {
  Conditions conditions = group.conditions;
  if (conditions.threads == 0 || cell.conditions.threads == 0) {
    conditions.threads = cell.conditions.threads;
  }
  return cell.workload == group.workload && cell.conditions == conditions;
}

void TakeGroup(const Group& group, const std::string& value, std::vector<SideCell>* cells) {
  auto found = std::find_if(cells->begin(), cells->end(),
                            [&](const SideCell& cell) { return IsOneCell(cell, group); });
  if (found == cells->end()) {
    cells->push_back({group.workload, group.conditions, value, group.newest, {}});
    found = std::prev(cells->end());
  }
  if (found->conditions.threads == 0) found->conditions.threads = group.conditions.threads;
  if (group.newest.started_at_ns() > found->newest.started_at_ns()) found->newest = group.newest;
  for (const Attempt& attempt : group.attempts) found->attempts.push_back(&attempt);
}

// How unlike the conditions of two sides are; 0: alike. Another timing is the most.
int Distance(const Conditions& a, const Conditions& b) {
  int distance = 0;
  if (a.timing != b.timing) distance += 100;
  if (a.device_model != b.device_model) distance += 10;
  if (a.execution != b.execution) distance += 2;
  if (a.memory_fraction != b.memory_fraction) distance += 2;
  if (a.threads != b.threads) distance += 2;
  if (std::tie(a.warmup_steps, a.warmup_until_settled) !=
      std::tie(b.warmup_steps, b.warmup_until_settled)) {
    distance += 1;
  }
  return distance;
}

v1::Incomparable Difference(const Conditions& a, const Conditions& b) {
  if (a.timing != b.timing) return v1::INCOMPARABLE_TIMING;
  if (a.device_model != b.device_model) return v1::INCOMPARABLE_DEVICE_MODEL;
  return v1::INCOMPARABLE_UNSPECIFIED;
}

// A row to be: cells of both sides, or of one.
struct Pair {
  const SideCell* a = nullptr;
  const SideCell* b = nullptr;
  v1::Incomparable incomparable = v1::INCOMPARABLE_UNSPECIFIED;
};

// The partners of A's cells among B's, by place; those that are most alike first.
std::vector<std::optional<size_t>> Partners(const std::vector<SideCell>& a,
                                            const std::vector<SideCell>& b) {
  std::multimap<std::string, size_t> by_workload;
  for (size_t j = 0; j < b.size(); ++j) by_workload.emplace(b[j].workload, j);
  std::vector<std::tuple<int, size_t, size_t>> candidates;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto [first, last] = by_workload.equal_range(a[i].workload);
    for (auto it = first; it != last; ++it) {
      candidates.emplace_back(Distance(a[i].conditions, b[it->second].conditions), i, it->second);
    }
  }
  std::sort(candidates.begin(), candidates.end());
  std::vector<std::optional<size_t>> partners(a.size());
  std::vector<bool> taken(b.size());
  for (const auto& [distance, i, j] : candidates) {
    if (partners[i] || taken[j]) continue;
    partners[i] = j;
    taken[j] = true;
  }
  return partners;
}

// Why a cell has no partner: the other side may have it under other conditions, which another cell
// was compared with.
v1::Incomparable WhyAlone(const SideCell& cell, const std::vector<SideCell>& others,
                          v1::Incomparable only) {
  const SideCell* nearest = nullptr;
  for (const SideCell& other : others) {
    if (other.workload != cell.workload) continue;
    if (nearest == nullptr || Distance(cell.conditions, other.conditions) <
                                  Distance(cell.conditions, nearest->conditions)) {
      nearest = &other;
    }
  }
  if (nearest == nullptr) return only;
  const v1::Incomparable difference = Difference(cell.conditions, nearest->conditions);
  return difference == v1::INCOMPARABLE_UNSPECIFIED ? only : difference;
}

// A's cells in order with their partners; `rest`: what B alone has.
std::vector<Pair> PairUp(const std::vector<SideCell>& a, const std::vector<SideCell>& b,
                         std::vector<Pair>* rest) {
  const std::vector<std::optional<size_t>> partners = Partners(a, b);
  std::vector<Pair> pairs;
  std::vector<bool> taken(b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (!partners[i]) {
      pairs.push_back({&a[i], nullptr, WhyAlone(a[i], b, v1::INCOMPARABLE_ONLY_A)});
      continue;
    }
    const SideCell& partner = b[*partners[i]];
    taken[*partners[i]] = true;
    pairs.push_back({&a[i], &partner, Difference(a[i].conditions, partner.conditions)});
  }
  for (size_t j = 0; j < b.size(); ++j) {
    if (!taken[j]) rest->push_back({nullptr, &b[j], WhyAlone(b[j], a, v1::INCOMPARABLE_ONLY_B)});
  }
  return pairs;
}

Attempts LaunchesOf(const SideCell* cell) {
  Attempts launches;
  if (cell == nullptr) return launches;
  std::copy_if(cell->attempts.begin(), cell->attempts.end(), std::back_inserter(launches),
               [](const Attempt* attempt) { return attempt->is_last_ok; });
  return launches;
}

Attempts UsedOf(const SideCell* cell, bool include_contaminated) {
  Attempts used = LaunchesOf(cell);
  if (include_contaminated) return used;
  used.erase(std::remove_if(used.begin(), used.end(),
                            [](const Attempt* attempt) { return attempt->is_contaminated; }),
             used.end());
  return used;
}

bool OnlyTriedAgain(const SideCell* cell) {
  return cell == nullptr ||
         std::all_of(cell->attempts.begin(), cell->attempts.end(),
                     [](const Attempt* a) { return !a->is_ok && a->is_followed; });
}

v1::ComparedSide SideOf(const SideCell* cell, const Attempts& used) {
  v1::ComparedSide side;
  side.set_launches(static_cast<uint32_t>(used.size()));
  for (const Attempt* attempt : used) {
    if (side.run_ids_size() < kMostRunIdsOfASide) side.add_run_ids(attempt->run_id);
  }
  if (cell == nullptr) return side;
  side.set_contaminated_launches(static_cast<uint32_t>(LaunchesOf(cell).size() - used.size()));
  side.set_failed_runs(
      static_cast<uint32_t>(std::count_if(cell->attempts.begin(), cell->attempts.end(),
                                          [](const Attempt* attempt) { return !attempt->is_ok; })));
  return side;
}

// Of the launches that timed the phase.
std::vector<double> MediansOf(const Attempts& launches, v1::Phase phase) {
  std::vector<double> medians;
  for (const Attempt* launch : launches) {
    if (launch->medians_ns[phase] > 0) medians.push_back(launch->medians_ns[phase]);
  }
  return medians;
}

v1::CompareVerdict VerdictOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFaster:
      return v1::COMPARE_VERDICT_FASTER;
    case Verdict::kSlower:
      return v1::COMPARE_VERDICT_SLOWER;
    case Verdict::kSame:
      return v1::COMPARE_VERDICT_SAME;
    case Verdict::kInconclusive:
      break;
  }
  return v1::COMPARE_VERDICT_INCONCLUSIVE;
}

double GeometricMean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

v1::ComparedPhase PhaseOf(v1::Phase phase, const std::vector<double>& a,
                          const std::vector<double>& b, const CompareSetting& setting) {
  const Comparison found = Compare(a, b, setting);
  v1::ComparedPhase compared;
  compared.set_phase(phase);
  compared.set_a_ns(GeometricMean(a));
  compared.set_b_ns(GeometricMean(b));
  compared.set_ratio(found.ratio);
  compared.set_verdict(VerdictOf(found.verdict));
  compared.set_min_effect(setting.min_effect);
  if (found.launches_to_decide) compared.set_launches_to_decide(*found.launches_to_decide);
  if (!found.interval) return compared;
  compared.set_low(found.interval->low);
  compared.set_high(found.interval->high);
  compared.set_p(*found.mann_whitney_p);
  compared.set_p_adjusted(*found.welch_p);  // until the whole table is known
  return compared;
}

// Phases are looked at beside steps, so that theirs are adjusted over both. A step is not among
// more because its phases were timed: a table of steps would miss what it shows.
void AdjustForTheWholeTable(std::vector<v1::ComparedCell>* cells) {
  std::vector<v1::ComparedPhase*> steps;
  std::vector<v1::ComparedPhase*> phases;
  for (v1::ComparedCell& cell : *cells) {
    for (v1::ComparedPhase& phase : *cell.mutable_phases()) {
      if (!phase.has_p_adjusted()) continue;
      (phase.phase() == v1::PHASE_UNSPECIFIED ? steps : phases).push_back(&phase);
    }
  }
  const auto adjusted = [](const std::vector<v1::ComparedPhase*>& family) {
    std::vector<double> p;
    for (const v1::ComparedPhase* phase : family) p.push_back(phase->p_adjusted());
    return HolmAdjust(p);
  };
  std::vector<v1::ComparedPhase*> all = phases;
  all.insert(all.end(), steps.begin(), steps.end());
  const std::vector<double> of_all = adjusted(all);
  const std::vector<double> of_steps = adjusted(steps);
  for (size_t i = 0; i < phases.size(); ++i) phases[i]->set_p_adjusted(of_all[i]);
  for (size_t i = 0; i < steps.size(); ++i) steps[i]->set_p_adjusted(of_steps[i]);
}

std::string WarmupWords(const Conditions& conditions) {
  return std::to_string(conditions.warmup_steps) +
         (conditions.warmup_until_settled ? " until settled" : "");
}

std::string ExecutionWord(const Conditions& conditions) {
  return std::string(Word(conditions.execution));
}

// Names of changes that the row itself is about.
std::set<std::string> ToldByTheRow(Kind axis, v1::Incomparable incomparable) {
  if (incomparable == v1::INCOMPARABLE_DEVICE_MODEL || axis == Kind::kDeviceModel) {
    return {"device", "device uuid", "gpu", "cpu"};
  }
  switch (axis) {
    case Kind::kDevice:
      return {"device", "device uuid"};
    case Kind::kHost:
      return {"device uuid"};
    case Kind::kThreads:
      return {"threads"};
    case Kind::kTorchlap:
      return {"torchlap"};
    case Kind::kTorch:
      return {"torch"};
    case Kind::kDriver:
      return {"driver"};
    default:
      return {};
  }
}

// The rows of one comparison.
class Table {
 public:
  Table(const CompareAxis& axis, const Environments& environments, const CellSetting& setting)
      : axis_(axis), environments_(environments), setting_(setting) {}

  // As many rows as it was asked for are counted, and only the allowed ones made.
  absl::Status Add(const Pair& pair, const std::string& value_a, const std::string& value_b) {
    if (OnlyTriedAgain(pair.a) && OnlyTriedAgain(pair.b)) return absl::OkStatus();
    if (++rows_ > kMostComparedCells) return absl::OkStatus();
    v1::ComparedCell& cell = cells_.emplace_back();
    const Attempts a = UsedOf(pair.a, setting_.include_contaminated);
    const Attempts b = UsedOf(pair.b, setting_.include_contaminated);
    *cell.mutable_subject() = pair.a != nullptr ? pair.a->newest : pair.b->newest;
    *cell.mutable_a() = SideOf(pair.a, a);
    *cell.mutable_b() = SideOf(pair.b, b);
    cell.mutable_a()->set_value(value_a);
    cell.mutable_b()->set_value(value_b);
    cell.set_incomparable(WhyIncomparable(pair, a, b));
    if (pair.a != nullptr && pair.b != nullptr) AddDifferences(pair, a, b, &cell);
    if (cell.incomparable() != v1::INCOMPARABLE_UNSPECIFIED) return absl::OkStatus();
    return AddPhases(a, b, &cell);
  }

  absl::StatusOr<std::vector<v1::ComparedCell>> Finish() {
    if (rows_ > kMostComparedCells) return TooMany(rows_, "cells", kMostComparedCells);
    AdjustForTheWholeTable(&cells_);
    return std::move(cells_);
  }

 private:
  static v1::Incomparable WhyIncomparable(const Pair& pair, const Attempts& a, const Attempts& b) {
    if (pair.incomparable != v1::INCOMPARABLE_UNSPECIFIED) return pair.incomparable;
    if (LaunchesOf(pair.a).empty()) return v1::INCOMPARABLE_A_FAILED;
    if (LaunchesOf(pair.b).empty()) return v1::INCOMPARABLE_B_FAILED;
    if (a.empty() || b.empty()) return v1::INCOMPARABLE_ALL_CONTAMINATED;
    return v1::INCOMPARABLE_UNSPECIFIED;
  }

  // Of the launches that were used; of all runs where there are none.
  void AddDifferences(const Pair& pair, const Attempts& a, const Attempts& b,
                      v1::ComparedCell* cell) const {
    const Attempts& before = a.empty() ? pair.a->attempts : a;
    const Attempts& after = b.empty() ? pair.b->attempts : b;
    std::vector<v1::EnvironmentChange> changes;
    AddChange("device", Of(before, &Attempt::device), Of(after, &Attempt::device), &changes);
    if (changes.empty()) {
      AddChange("device uuid", Of(before, &Attempt::device_uuid), Of(after, &Attempt::device_uuid),
                &changes);
    }
    const Conditions& of_a = pair.a->conditions;
    const Conditions& of_b = pair.b->conditions;
    AddChange("warm-up", {WarmupWords(of_a)}, {WarmupWords(of_b)}, &changes);
    AddChange("steps", Of(before, &Attempt::steps), Of(after, &Attempt::steps), &changes);
    AddChange("execution", {ExecutionWord(of_a)}, {ExecutionWord(of_b)}, &changes);
    AddChange("memory fraction", {of_a.memory_fraction}, {of_b.memory_fraction}, &changes);
    const std::vector<const v1::Environment*> from = EnvironmentsOf(before);
    const std::vector<const v1::Environment*> to = EnvironmentsOf(after);
    // Where nothing is known of a side, nothing can be said to have changed.
    if (!from.empty() && !to.empty()) {
      for (v1::EnvironmentChange& change : EnvironmentChanges(from, to)) {
        changes.push_back(std::move(change));
      }
    }
    const std::set<std::string> told = ToldByTheRow(axis_.kind, cell->incomparable());
    for (v1::EnvironmentChange& change : changes) {
      if (told.count(change.name()) == 0) *cell->add_also_differs() = std::move(change);
    }
  }

  static std::vector<std::string> Of(const Attempts& attempts, std::string Attempt::*field) {
    std::vector<std::string> values;
    for (const Attempt* attempt : attempts) values.push_back(attempt->*field);
    return values;
  }

  // Each once.
  std::vector<const v1::Environment*> EnvironmentsOf(const Attempts& attempts) const {
    std::set<std::string> hashes;
    for (const Attempt* attempt : attempts) hashes.insert(attempt->environment_hash);
    std::vector<const v1::Environment*> found;
    for (const std::string& hash : hashes) {
      const auto environment = environments_.find(hash);
      if (environment != environments_.end()) found.push_back(&environment->second);
    }
    return found;
  }

  absl::Status AddPhases(const Attempts& a, const Attempts& b, v1::ComparedCell* cell) const {
    const absl::StatusOr<MediansByPhase> past = Past(a, b);
    if (!past.ok()) return past.status();
    for (const v1::Phase phase : kPhasesInOrder) {
      const std::vector<double> medians_a = MediansOf(a, phase);
      const std::vector<double> medians_b = MediansOf(b, phase);
      if (medians_a.empty() || medians_b.empty()) continue;
      CompareSetting compare = setting_.compare;
      const std::optional<double> learned = LearnedMinEffect(OverTheirLevels((*past)[phase]));
      if (learned) compare.min_effect = *learned;
      v1::ComparedPhase compared = PhaseOf(phase, medians_a, medians_b, compare);
      if (learned) {
        compared.set_min_effect_launches(static_cast<uint32_t>((*past)[phase].size()));
      }
      *cell->add_phases() = std::move(compared);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<MediansByPhase> Past(const Attempts& a, const Attempts& b) const {
    if (!setting_.past) return MediansByPhase();
    const auto started = [](const Attempt* x, const Attempt* y) {
      return x->started_at_ns < y->started_at_ns;
    };
    return setting_.past((*std::max_element(a.begin(), a.end(), started))->run_id,
                         (*std::min_element(b.begin(), b.end(), started))->started_at_ns);
  }

  const CompareAxis& axis_;
  const Environments& environments_;
  const CellSetting& setting_;
  size_t rows_ = 0;
  std::vector<v1::ComparedCell> cells_;
};

// The groups of one side, or of one value.
std::vector<SideCell> CellsOf(const std::vector<Group>& groups,
                              const std::vector<std::string>& values, Side side,
                              const std::string& value) {
  std::vector<SideCell> cells;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].side == side && values[i] == value) TakeGroup(groups[i], value, &cells);
  }
  return cells;
}

// The values of an axis: A's, and the others in the order in which they appear.
struct AxisValues {
  std::string reference;
  std::vector<std::string> others;
};

int64_t OldestStart(const Group& group) {
  int64_t oldest = std::numeric_limits<int64_t>::max();
  for (const Attempt& attempt : group.attempts) oldest = std::min(oldest, attempt.started_at_ns);
  return oldest;
}

std::string OldestValue(const std::vector<Group>& groups, const std::vector<std::string>& values) {
  std::string oldest;
  int64_t start = std::numeric_limits<int64_t>::max();
  for (size_t i = 0; i < groups.size(); ++i) {
    if (values[i].empty() || OldestStart(groups[i]) >= start) continue;
    start = OldestStart(groups[i]);
    oldest = values[i];
  }
  return oldest;
}

// What a request means that says nothing of the axis, as it is what others are compared with.
std::string UsualValue(const CompareAxis& axis) {
  switch (axis.kind) {
    case CompareAxis::Kind::kPrecision:
      return std::string(Word(v1::PRECISION_FP32));
    case CompareAxis::Kind::kAttention:
      return std::string(Word(v1::ATTENTION_EXPLICIT));
    case CompareAxis::Kind::kOptimizer:
      return std::string(Word(v1::OPTIMIZER_COURSE));
    default:
      return "";
  }
}

std::string Listed(const std::vector<std::string>& values) {
  constexpr size_t kMostListed = 10;
  std::string text;
  for (size_t i = 0; i < std::min(values.size(), kMostListed); ++i) {
    text += (i == 0 ? "" : ", ") + values[i];
  }
  return values.size() > kMostListed ? text + " ..." : text;
}

size_t RunsWithoutValue(const std::vector<Group>& groups, const std::vector<std::string>& values) {
  size_t runs = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (values[i].empty()) runs += groups[i].attempts.size();
  }
  return runs;
}

// What would bring a second one depends on the axis.
absl::Status OneValue(const CompareAxis& axis, const std::string& value, size_t runs_without) {
  if (axis.kind == Kind::kHost) {
    const std::string machine = value == kThisMachine ? "this machine" : value;
    return absl::InvalidArgumentError("all runs are of " + machine +
                                      ", import another's: torchlap import FILE");
  }
  if (axis.kind == Kind::kLabel && runs_without > 0) {
    return absl::InvalidArgumentError(
        "only " + value + " is there, " + std::to_string(runs_without) +
        (runs_without == 1 ? " run has" : " runs have") + " no label " + axis.label);
  }
  return absl::InvalidArgumentError("all runs have " + value +
                                    ", must have two values of what they are compared by");
}

absl::StatusOr<AxisValues> ChooseValues(const CompareAxis& axis, const std::vector<Group>& groups,
                                        const std::vector<std::string>& values,
                                        const std::string& reference) {
  std::vector<std::string> known;
  for (const std::string& value : values) {
    if (!value.empty() && std::find(known.begin(), known.end(), value) == known.end()) {
      known.push_back(value);
    }
  }
  if (known.empty()) {
    return absl::InvalidArgumentError(
        "no run has a value of what they are compared by, must have two of them");
  }
  if (known.size() < 2) {
    return OneValue(axis, known.front(), RunsWithoutValue(groups, values));
  }
  AxisValues chosen;
  chosen.reference = reference.empty() ? UsualValue(axis) : reference;
  auto at = std::find(known.begin(), known.end(), chosen.reference);
  if (at == known.end() && reference.empty()) {
    chosen.reference = OldestValue(groups, values);
    at = std::find(known.begin(), known.end(), chosen.reference);
  }
  if (at == known.end()) {
    return absl::InvalidArgumentError("reference is " + reference + ", must be one of " +
                                      Listed(known));
  }
  known.erase(at);
  chosen.others = std::move(known);
  return chosen;
}

}  // namespace

Conditions ComparedRuns::ConditionsOf(const v1::Run& run) const {
  const v1::Plan& plan = run.plan();
  Conditions conditions;
  if (axis_.kind != Kind::kTiming) {
    conditions.timing =
        plan.timing() == v1::TIMING_UNSPECIFIED ? v1::TIMING_SEPARATE : plan.timing();
  }
  if (axis_.kind != Kind::kDevice && axis_.kind != Kind::kDeviceModel) {
    conditions.device_model = run.device_model();
  }
  conditions.execution =
      plan.execution() == v1::EXECUTION_UNSPECIFIED ? v1::EXECUTION_EAGER : plan.execution();
  conditions.warmup_steps = plan.warmup_steps();
  conditions.warmup_until_settled = plan.warmup_until_settled();
  if (plan.has_memory_fraction()) {
    conditions.memory_fraction = std::to_string(plan.memory_fraction());
  }
  if (axis_.kind != Kind::kThreads) conditions.threads = run.threads();
  return conditions;
}

size_t ComparedRuns::GroupOf(Side side, const v1::Run& run) {
  Group group;
  group.side = side;
  group.workload = CanonicalWorkload(Without(axis_, run.workload()));
  group.conditions = ConditionsOf(run);
  group.value = ValueOf(axis_, run, nullptr);
  const std::string key = KeyOf(side, group, IsOfEnvironment(axis_) ? run.environment_hash() : "");
  const auto [found, is_new] = group_by_key_.emplace(key, groups_.size());
  if (is_new) groups_.push_back(std::move(group));
  Group& stored = groups_[found->second];
  if (is_new || run.started_at_ns() > stored.newest.started_at_ns()) {
    stored.newest = CellSubjectOf(run);
  }
  return found->second;
}

// Of each launch the last OK run stands, and one that another followed is not its end.
void ComparedRuns::Follow(uint32_t launch, const Place& place) {
  const auto [found, is_first] = launches_.emplace(launch, Launch{place, std::nullopt});
  Launch& known = found->second;
  if (!is_first) At(known.last).is_followed = true;
  known.last = place;
  if (!At(place).is_ok) return;
  if (known.last_ok) At(*known.last_ok).is_last_ok = false;
  At(place).is_last_ok = true;
  known.last_ok = place;
}

absl::Status ComparedRuns::Add(Side side, const v1::Run& run) {
  if (run.purpose() == v1::PURPOSE_TRACE || run.workload().has_calibration()) {
    return absl::OkStatus();
  }
  if (++runs_ > kMostComparedRuns) return TooMany(runs_, "runs or more", kMostComparedRuns);
  if (side != side_ || run.job_id() != job_id_) launches_.clear();
  side_ = side;
  job_id_ = run.job_id();
  const size_t group = GroupOf(side, run);
  if (groups_.size() > kMostGroups) {
    return TooMany(groups_.size(), "cells or more", kMostComparedCells);
  }
  groups_[group].attempts.push_back(AttemptOf(run));
  Follow(run.launch(), {group, groups_[group].attempts.size() - 1});
  return absl::OkStatus();
}

std::set<std::string> ComparedRuns::EnvironmentHashes() const {
  std::set<std::string> hashes;
  for (const Group& group : groups_) {
    for (const Attempt& attempt : group.attempts) hashes.insert(attempt.environment_hash);
  }
  hashes.erase("");
  return hashes;
}

absl::StatusOr<std::vector<v1::ComparedCell>> ComparedRuns::Compare(
    const Environments& environments, const CellSetting& setting) const {
  std::vector<std::string> values;
  for (const Group& group : groups_) {
    const auto environment = environments.find(group.newest.environment_hash());
    const bool is_known = IsOfEnvironment(axis_) && environment != environments.end();
    values.push_back(is_known ? ValueOf(axis_, group.newest, &environment->second) : group.value);
  }
  AxisValues chosen{"", {""}};
  const bool is_by_axis = axis_.kind != Kind::kNone;
  if (is_by_axis) {
    auto by_axis = ChooseValues(axis_, groups_, values, setting.reference);
    if (!by_axis.ok()) return by_axis.status();
    chosen = *std::move(by_axis);
  }
  const std::vector<SideCell> a = CellsOf(groups_, values, Side::kA, chosen.reference);
  // By value; the cells of B stay where they are, as pairs refer to them.
  std::vector<std::vector<SideCell>> b;
  std::vector<std::vector<Pair>> pairs;
  std::vector<std::vector<Pair>> rests(chosen.others.size());
  b.reserve(chosen.others.size());
  for (size_t i = 0; i < chosen.others.size(); ++i) {
    b.push_back(CellsOf(groups_, values, is_by_axis ? Side::kA : Side::kB, chosen.others[i]));
    pairs.push_back(PairUp(a, b.back(), &rests[i]));
  }
  Table table(axis_, environments, setting);
  absl::Status status;
  for (size_t cell = 0; cell < a.size(); ++cell) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      status.Update(table.Add(pairs[i][cell], chosen.reference, chosen.others[i]));
    }
  }
  for (size_t i = 0; i < rests.size(); ++i) {
    for (const Pair& pair : rests[i]) {
      status.Update(table.Add(pair, chosen.reference, chosen.others[i]));
    }
  }
  if (!status.ok()) return status;
  return table.Finish();
}

}  // namespace torchlap::measure
