#include "server/run/sweep_judge.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "server/measure/cell_change.h"
#include "server/measure/environment_changes.h"
#include "storage/environments.h"

namespace torchlap::run {
namespace {

using storage::FindingEdit;

measure::KnownFinding KnownOf(const storage::StoredFinding& stored, int64_t sweep_began_ns) {
  measure::KnownFinding known;
  known.state = stored.state;
  known.before_ns = stored.before_ns;
  known.after_ns = stored.after_ns;
  known.is_open = !stored.closed_at_ns;
  known.was_closed_before = stored.closed_at_ns && *stored.closed_at_ns < sweep_began_ns;
  known.closed_by_itself = stored.vanished;
  return known;
}

int64_t BeginOf(const storage::CellPast& past, uint64_t sweep_id) {
  for (const storage::CellPoint& cell : past.points) {
    if (cell.sweep_id == sweep_id) return cell.point.started_at_ns;
  }
  return 0;
}

measure::CellHistory HistoryOf(const storage::CellPast& past, uint64_t sweep_id) {
  measure::CellHistory history;
  history.sweep_id = sweep_id;
  history.baseline_ns = past.baseline_ns;
  for (const storage::CellPoint& cell : past.points) {
    history.runs.push_back({cell.point.median_ns, cell.sweep_id, cell.is_suites, cell.in_baseline});
  }
  if (past.newest) history.known = KnownOf(*past.newest, BeginOf(past, sweep_id));
  return history;
}

// Of the environments on both sides of the change.
struct Sides {
  std::set<std::string> before;
  std::string after;
};

Sides SidesOf(const storage::CellPast& past, const measure::CellState& state) {
  Sides sides;
  sides.after = past.points[state.first].point.environment_hash;
  if (state.against_baseline) {
    sides.before = past.baseline_environments;
  } else if (state.last_before) {
    sides.before.insert(past.points[*state.last_before].point.environment_hash);
  }
  return sides;
}

absl::StatusOr<std::vector<v1::EnvironmentChange>> ChangesBetween(const storage::Database& database,
                                                                  const Sides& sides) {
  std::set<std::string> hashes = sides.before;
  hashes.insert(sides.after);
  const auto environments = storage::ReadEnvironments(database, hashes);
  if (!environments.ok()) return environments.status();
  std::vector<const v1::Environment*> before;
  std::vector<const v1::Environment*> after;
  for (const auto& [hash, environment] : *environments) {
    if (sides.before.count(hash) > 0) before.push_back(&environment);
    if (hash == sides.after) after.push_back(&environment);
  }
  if (before.empty() || after.empty()) return std::vector<v1::EnvironmentChange>();
  return measure::EnvironmentChanges(before, after);
}

FindingEdit EditOf(FindingEdit::Kind kind, const storage::CellPast& past,
                   const measure::CellState& state) {
  FindingEdit edit;
  edit.kind = kind;
  if (kind != FindingEdit::Kind::kOpen) edit.id = past.newest->id;
  edit.series = past.series;
  if (kind == FindingEdit::Kind::kClose) return edit;
  edit.run = past.points[state.first].point.run;
  edit.seen_run = past.points[state.last].point.run;
  edit.before_ns = state.before_ns;
  edit.after_ns = state.after_ns;
  edit.against_baseline = state.against_baseline;
  return edit;
}

// What somebody ignored or confirmed stays told as it was then.
FindingEdit SeenOf(const storage::CellPast& past, const measure::CellState& state) {
  FindingEdit edit = EditOf(FindingEdit::Kind::kSeen, past, state);
  if (past.newest->state != v1::CELL_FINDING_NEW) edit.after_ns = 0;
  return edit;
}

absl::Status AppendEdits(const storage::Database& database, const storage::CellPast& past,
                         measure::FindingStep step, const measure::CellState& state,
                         std::vector<FindingEdit>* edits) {
  using measure::FindingStep;
  if (step == FindingStep::kClose || step == FindingStep::kCloseAndOpen) {
    edits->push_back(EditOf(FindingEdit::Kind::kClose, past, state));
  }
  if (step == FindingStep::kSeen) edits->push_back(SeenOf(past, state));
  const bool opens = step == FindingStep::kOpen || step == FindingStep::kCloseAndOpen;
  if (!opens && step != FindingStep::kRenew) return absl::OkStatus();
  FindingEdit edit =
      EditOf(opens ? FindingEdit::Kind::kOpen : FindingEdit::Kind::kRenew, past, state);
  auto changes = ChangesBetween(database, SidesOf(past, state));
  if (!changes.ok()) return changes.status();
  edit.changes = *std::move(changes);
  edits->push_back(std::move(edit));
  return absl::OkStatus();
}

// What a sweep says of its cells: little of each, as there may be 10,000.
struct Judgement {
  std::vector<measure::CellState> states;
  std::vector<std::vector<FindingEdit>> edits;
};

// An edit that stands on what turned out to be too likely is left out.
std::vector<FindingEdit> EditsOf(Judgement judgement) {
  std::vector<measure::CellState> states = judgement.states;
  measure::KeepFalseAlarmsRare(&states);
  std::vector<FindingEdit> edits;
  for (size_t i = 0; i < states.size(); ++i) {
    if (states[i].kind != judgement.states[i].kind) continue;
    for (FindingEdit& edit : judgement.edits[i]) edits.push_back(std::move(edit));
  }
  return edits;
}

}  // namespace

void SweepJudge::JudgeAll() {
  const auto sweeps = store_.Ended();
  Complain(0, sweeps.status());
  if (!sweeps.ok()) return;
  for (const storage::EndedSweep& sweep : *sweeps) {
    const absl::Status judged = Judge(sweep);
    if (stops_) return;
    Complain(sweep.sweep_id, judged);
  }
}

void SweepJudge::Complain(uint64_t sweep_id, const absl::Status& status) {
  if (status.ok()) {
    complaints_.erase(sweep_id);
    return;
  }
  const std::string message(status.message());
  if (std::exchange(complaints_[sweep_id], message) == message) return;
  spdlog::error("cannot judge sweep {} of a suite, will try again: {}", sweep_id, message);
}

absl::Status SweepJudge::Judge(const storage::EndedSweep& sweep) {
  const auto series = store_.SeriesOf(sweep);
  if (!series.ok()) return series.status();
  Judgement judgement;
  for (const int64_t id : *series) {
    if (stops_) return absl::CancelledError();
    const auto past = store_.Past(sweep, id, is_private_);
    if (!past.ok()) return past.status();
    const measure::CellHistory history = HistoryOf(*past, sweep.sweep_id);
    judgement.states.push_back(measure::StateOf(history));
    const measure::CellState& state = judgement.states.back();
    absl::Status status = AppendEdits(*database_, *past, measure::NextStep(history.known, state),
                                      state, &judgement.edits.emplace_back());
    if (!status.ok()) return status;
  }
  if (stops_) return absl::CancelledError();
  return store_.Judged(sweep, EditsOf(std::move(judgement)), clock_->WallNs());
}

}  // namespace torchlap::run
