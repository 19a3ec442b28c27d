#include "storage/finding_store.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "proto/run_subject.h"
#include "proto/suite_limits.h"
#include "storage/id_list.h"
#include "storage/run_row.h"
#include "storage/run_rows.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

constexpr int kMostOfAKind = 2000;

// ---- what is to be judged ----

constexpr char kEnded[] =
    "SELECT sweep_id, sweep.owner_id, suite, asked FROM sweep_to_judge "
    "JOIN sweep ON sweep.id = sweep_id WHERE NOT EXISTS (SELECT 1 FROM job INDEXED BY job_by_sweep "
    "WHERE job.sweep_id = sweep_to_judge.sweep_id AND job.state < 3) ORDER BY sweep_id";

// 1: OUTCOME_OK, PURPOSE_MEASURE.
constexpr char kRunsOfSweep[] =
    "FROM job INDEXED BY job_by_sweep JOIN run INDEXED BY run_by_job ON run.job_id = job.id "
    "WHERE job.sweep_id = ? AND run.series IS NOT NULL AND run.outcome = 1 AND run.purpose = 1";

// By the automatic index of run_kind's UNIQUE. 4: VALIDITY_CONTAMINATED.
constexpr char kKinds[] =
    "SELECT id FROM run_kind WHERE asked_workload_id = ?1 AND owner_id = ?3 AND outcome = 1 "
    "AND validity <> 4 AND purpose = 1 AND timing = ?2";

constexpr char kOfKind[] =
    "SELECT run.id, run.job_id || '.' || run.number, run.started_at_ns, run.step_median_ns, "
    "run.validity, (SELECT environment_hash FROM environment WHERE id = run.environment), "
    "(SELECT sweep_id FROM job WHERE id = run.job_id), "
    "EXISTS (SELECT 1 FROM label WHERE job_id = run.job_id AND k = 'suite'), "
    "EXISTS (SELECT 1 FROM baseline WHERE owner_id = run.owner_id AND series_id = run.series "
    "AND run_id = run.id), run.series, run.step_median_ns > 0 "
    "FROM run INDEXED BY run_by_kind WHERE kind_id = ? AND invalid_reason IS NULL "
    "ORDER BY started_at_ns DESC LIMIT ?";

CellPoint PointOf(const Query& row) {
  CellPoint cell;
  cell.point.run = row.Int(0);
  cell.point.run_id = row.Text(1);
  cell.point.started_at_ns = row.Int(2);
  cell.point.median_ns = row.Real(3);
  cell.point.validity = static_cast<v1::Validity>(row.Int(4));
  cell.point.environment_hash = row.Text(5);
  cell.sweep_id = row.Uint(6);
  cell.is_suites = row.Int(7) != 0;
  cell.in_baseline = row.Int(8) != 0;
  cell.point.series = row.Int(9);
  return cell;
}

void AppendOfKind(SQLite::Database& database, int64_t kind, int64_t series,
                  std::vector<CellPoint>* points) {
  Query row(database, kOfKind, kind, kMostOfAKind);
  const size_t enough = points->size() + kMostCellRuns;
  while (points->size() < enough && row.Step()) {
    const bool is_timed = !row.IsNull(10) && row.Int(10) != 0;
    if (is_timed && row.Int(9) == series) points->push_back(PointOf(row));
  }
}

std::vector<CellPoint> ReadPoints(SQLite::Database& database, const EndedSweep& sweep,
                                  int64_t series) {
  std::vector<CellPoint> points;
  static const std::string workloads =
      absl::StrCat("SELECT DISTINCT run.asked_workload_id, ifnull(run.timing, 0) ", kRunsOfSweep,
                   " AND run.series = ?");
  Query asked(database, workloads, sweep.sweep_id, series);
  while (asked.Step()) {
    Query kind(database, kKinds, asked.Int(0), asked.Int(1), sweep.owner);
    while (kind.Step()) AppendOfKind(database, kind.Int(0), series, &points);
  }
  std::sort(points.begin(), points.end(), [](const CellPoint& a, const CellPoint& b) {
    return std::tie(a.point.started_at_ns, a.point.run) <
           std::tie(b.point.started_at_ns, b.point.run);
  });
  if (points.size() > kMostCellRuns) points.erase(points.begin(), points.end() - kMostCellRuns);
  return points;
}

void ReadBaseline(SQLite::Database& database, const EndedSweep& sweep, bool own_baseline,
                  CellPast* past) {
  Query row(database,
            "SELECT run.step_median_ns, environment.environment_hash FROM baseline "
            "JOIN run ON run.id = baseline.run_id "
            "LEFT JOIN environment ON environment.id = run.environment "
            "WHERE baseline.owner_id = ?1 AND baseline.series_id = ?2 "
            "AND run.invalid_reason IS NULL AND run.step_median_ns > 0 "
            "AND (?3 = 0 OR run.owner_id = ?1) ORDER BY run.started_at_ns",
            sweep.owner, past->series, own_baseline);
  while (row.Step()) {
    past->baseline_ns.push_back(row.Real(0));
    if (!row.IsNull(1)) past->baseline_environments.insert(row.Text(1));
  }
}

std::optional<StoredFinding> NewestOf(SQLite::Database& database, const EndedSweep& sweep,
                                      int64_t series) {
  Query row(database,
            "SELECT id, state, before_ns, after_ns, closed_at_ns, vanished FROM cell_finding "
            "INDEXED BY cell_finding_cell WHERE owner_id = ? AND series_id = ? "
            "ORDER BY closed_at_ns IS NULL DESC, id DESC LIMIT 1",
            sweep.owner, series);
  if (!row.Step()) return std::nullopt;
  StoredFinding found;
  found.id = row.Int(0);
  found.state = static_cast<v1::CellFindingState>(row.Int(1));
  found.before_ns = row.Real(2);
  found.after_ns = row.Real(3);
  if (!row.IsNull(4)) found.closed_at_ns = row.Int(4);
  found.vanished = row.Int(5) != 0;
  return found;
}

// ---- what becomes of findings ----

std::optional<Blob> ChangesBlob(const std::vector<v1::EnvironmentChange>& changes) {
  if (changes.empty()) return std::nullopt;
  v1::CellFinding of_changes;
  for (const v1::EnvironmentChange& change : changes) *of_changes.add_changes() = change;
  return Blob{of_changes.SerializeAsString()};
}

void Open(SQLite::Database& database, const EndedSweep& sweep, const FindingEdit& edit,
          int64_t now_ns) {
  Execute(database,
          "INSERT INTO cell_finding (owner_id, series_id, state, run_id, seen_run_id, before_ns, "
          "after_ns, against_baseline, found_at_ns, seen_at_ns, changes, suite) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          sweep.owner, edit.series, v1::CELL_FINDING_NEW, edit.run, edit.seen_run, edit.before_ns,
          edit.after_ns, edit.against_baseline, now_ns, now_ns, ChangesBlob(edit.changes),
          sweep.suite);
}

void Apply(SQLite::Database& database, const EndedSweep& sweep, const FindingEdit& edit,
           int64_t now_ns) {
  switch (edit.kind) {
    case FindingEdit::Kind::kOpen:
      Open(database, sweep, edit, now_ns);
      return;
    case FindingEdit::Kind::kSeen:
      Execute(database,
              "UPDATE cell_finding SET seen_at_ns = ?, seen_run_id = ?, "
              "after_ns = ifnull(?, after_ns) WHERE id = ? AND closed_at_ns IS NULL",
              now_ns, edit.seen_run,
              edit.after_ns > 0 ? std::make_optional(edit.after_ns) : std::nullopt, edit.id);
      return;
    case FindingEdit::Kind::kRenew:
      Execute(database,
              "UPDATE cell_finding SET state = ?, run_id = ?, seen_run_id = ?, before_ns = ?, "
              "after_ns = ?, against_baseline = ?, seen_at_ns = ?, changes = ?, suite = ? "
              "WHERE id = ? AND closed_at_ns IS NULL",
              v1::CELL_FINDING_NEW, edit.run, edit.seen_run, edit.before_ns, edit.after_ns,
              edit.against_baseline, now_ns, ChangesBlob(edit.changes), sweep.suite, edit.id);
      return;
    case FindingEdit::Kind::kClose:
      Execute(database,
              "UPDATE cell_finding SET state = ?, closed_at_ns = ?, vanished = 1 "
              "WHERE id = ? AND closed_at_ns IS NULL",
              v1::CELL_FINDING_FIXED, now_ns, edit.id);
  }
}

// ---- lists ----

constexpr char kColumns[] =
    "SELECT finding.id, principal.name, finding.state, finding.why, finding.run_id, "
    "finding.before_ns, finding.after_ns, finding.against_baseline, finding.found_at_ns, "
    "finding.seen_at_ns, finding.closed_at_ns, finding.changes, finding.suite "
    "FROM cell_finding AS finding LEFT JOIN principal ON principal.id = finding.owner_id ";

v1::CellFinding FindingOf(const Query& row) {
  v1::CellFinding finding;
  const v1::CellFinding unreadable;
  if (!row.IsNull(11) && !finding.ParseFromString(row.Text(11))) finding = unreadable;
  finding.set_finding_id(row.Uint(0));
  finding.set_user(row.Text(1));
  finding.set_state(static_cast<v1::CellFindingState>(row.Int(2)));
  finding.set_why(row.Text(3));
  finding.set_before_ns(row.Real(5));
  finding.set_after_ns(row.Real(6));
  if (finding.before_ns() > 0) finding.set_ratio(finding.after_ns() / finding.before_ns());
  finding.set_against_baseline(row.Int(7) != 0);
  finding.set_found_at_ns(row.Int(8));
  finding.set_seen_at_ns(row.Int(9));
  finding.set_closed_at_ns(row.Int(10));
  finding.set_suite(row.Text(12));
  return finding;
}

v1::Run ShortRun(const v1::Run& run) {
  v1::Run subject = SubjectOf(run);
  subject.set_invalid_reason(run.invalid_reason());
  return subject;
}

struct Listed {
  std::vector<v1::CellFinding> findings;
  std::vector<int64_t> runs;  // of each
};

absl::Status AddSubjects(SQLite::Database& database, Listed* listed) {
  std::vector<int64_t> ids = listed->runs;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::unordered_map<std::string, v1::Run> by_run_id;
  RunRows rows;
  uint64_t unreadable = 0;
  absl::Status status = AppendRunsById(database, ids, &rows, &unreadable);
  if (!status.ok()) return status;
  for (const v1::Run& run : rows) by_run_id[run.run_id()] = ShortRun(run);
  Query name(
      database,
      absl::StrCat("SELECT id, job_id || '.' || number FROM run WHERE id IN (", kListed, ")"),
      IdList(ids));
  std::unordered_map<int64_t, std::string> run_ids;
  while (name.Step()) run_ids[name.Int(0)] = name.Text(1);
  for (size_t i = 0; i < listed->findings.size(); ++i) {
    const auto subject = by_run_id.find(run_ids[listed->runs[i]]);
    if (subject != by_run_id.end()) *listed->findings[i].mutable_subject() = subject->second;
  }
  return absl::OkStatus();
}

std::string ListSql(const FindingFilter& filter) {
  return absl::StrCat(
      kColumns,
      "WHERE (json_array_length(?1) = 0 OR finding.state IN (SELECT value FROM json_each(?1))) "
      "AND (?2 = '' OR principal.name = ?2 OR principal.principal = ?2) "
      "AND (?3 = '' OR principal.principal = ?3) "
      "AND (finding.found_at_ns >= ?4 OR finding.closed_at_ns >= ?4",
      filter.changed ? "" : " OR finding.seen_at_ns >= ?4", ") ORDER BY finding.id DESC LIMIT ?5");
}

absl::Status NoFinding(uint64_t id) {
  return absl::NotFoundError(absl::StrCat("there is no finding ", id));
}

absl::Status CheckMaySet(SQLite::Database& database, uint64_t id, const Caller& caller) {
  Query row(database,
            "SELECT principal.principal, principal.name FROM cell_finding "
            "LEFT JOIN principal ON principal.id = owner_id WHERE cell_finding.id = ?",
            id);
  if (!row.Step()) return NoFinding(id);
  if (caller.is_admin || row.Text(0) == caller.principal) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("finding ", id, " belongs to ",
                                                  row.IsNull(1) ? "another user" : row.Text(1),
                                                  "; only its owner or an admin may set it"));
}

// The finding of the cell that is open instead of this one.
absl::Status CheckNoOther(SQLite::Database& database, uint64_t id) {
  const auto other =
      SelectInt(database,
                "SELECT other.id FROM cell_finding AS one JOIN cell_finding AS other "
                "ON other.owner_id = one.owner_id AND other.series_id = one.series_id "
                "AND other.closed_at_ns IS NULL AND other.id <> one.id WHERE one.id = ?",
                id);
  if (!other) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("finding ", id, " is closed, and finding ",
                                                    *other, " of the same cell is open: set that"));
}

void Close(SQLite::Database& database, uint64_t id, const std::string& why, int64_t now_ns) {
  Execute(database,
          "UPDATE cell_finding SET state = ?, why = ifnull(nullif(?, ''), why), vanished = "
          "iif(closed_at_ns IS NULL, 0, vanished), closed_at_ns = ifnull(closed_at_ns, ?) "
          "WHERE id = ?",
          v1::CELL_FINDING_FIXED, why, now_ns, id);
}

void LeaveOpen(SQLite::Database& database, uint64_t id, v1::CellFindingState state,
               const std::string& why) {
  Execute(
      database,
      "UPDATE cell_finding SET state = ?, why = ifnull(nullif(?, ''), why), closed_at_ns = NULL, "
      "vanished = 0 WHERE id = ?",
      state, why, id);
}

absl::StatusOr<v1::CellFinding> ReadOne(SQLite::Database& database, uint64_t id) {
  static const std::string select = absl::StrCat(kColumns, "WHERE finding.id = ?");
  Listed listed;
  {
    Query row(database, select, id);
    if (!row.Step()) return NoFinding(id);
    listed.findings.push_back(FindingOf(row));
    listed.runs.push_back(row.Int(4));
  }
  if (absl::Status added = AddSubjects(database, &listed); !added.ok()) return added;
  return std::move(listed.findings.front());
}

}  // namespace

const std::string& JudgeAgainSql() {
  static const std::string sql = absl::StrCat(
      "INSERT INTO sweep_to_judge (sweep_id, suite) SELECT job.sweep_id, min(label.v) FROM run "
      "JOIN job ON job.id = run.job_id AND job.host IS NULL JOIN label ON label.job_id = job.id "
      "AND label.k = '",
      kSuiteLabel, "' WHERE run.id IN (", kListed,
      ") GROUP BY job.sweep_id ON CONFLICT (sweep_id) DO UPDATE SET asked = asked + 1");
  return sql;
}

absl::StatusOr<std::vector<EndedSweep>> FindingStore::Ended() const {
  std::vector<EndedSweep> sweeps;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    Query row(database, kEnded);
    while (row.Step()) sweeps.push_back({row.Uint(0), row.Int(1), row.Text(2), row.Int(3)});
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return sweeps;
}

absl::StatusOr<std::vector<int64_t>> FindingStore::SeriesOf(const EndedSweep& sweep) const {
  static const std::string select =
      absl::StrCat("SELECT DISTINCT run.series ", kRunsOfSweep, " ORDER BY 1");
  std::vector<int64_t> series;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    Query row(database, select, sweep.sweep_id);
    while (row.Step()) series.push_back(row.Int(0));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return series;
}

absl::StatusOr<CellPast> FindingStore::Past(const EndedSweep& sweep, int64_t series,
                                            bool own_baseline) const {
  CellPast past;
  past.series = series;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    past.points = ReadPoints(database, sweep, series);
    ReadBaseline(database, sweep, own_baseline, &past);
    past.newest = NewestOf(database, sweep, series);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return past;
}

absl::Status FindingStore::Judged(const EndedSweep& sweep, const std::vector<FindingEdit>& edits,
                                  int64_t now_ns) {
  return database_->Write([&](SQLite::Database& database) {
    for (const FindingEdit& edit : edits) Apply(database, sweep, edit, now_ns);
    Execute(database, "DELETE FROM sweep_to_judge WHERE sweep_id = ? AND asked = ?", sweep.sweep_id,
            sweep.asked);
    return absl::OkStatus();
  });
}

absl::StatusOr<FindingList> FindingStore::List(const FindingFilter& filter) const {
  Listed listed;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    Query row(database, ListSql(filter), IdList(filter.states), filter.user, filter.only_owner,
              filter.since_ns, filter.limit + 1);
    while (row.Step()) {
      listed.findings.push_back(FindingOf(row));
      listed.runs.push_back(row.Int(4));
    }
    return AddSubjects(database, &listed);
  });
  if (!status.ok()) return status;
  FindingList list;
  list.is_cut = listed.findings.size() > filter.limit;
  if (list.is_cut) listed.findings.resize(filter.limit);
  list.findings = std::move(listed.findings);
  return list;
}

absl::StatusOr<v1::CellFinding> FindingStore::Set(uint64_t id, v1::CellFindingState state,
                                                  const std::string& why, const Caller& caller,
                                                  int64_t now_ns) {
  absl::StatusOr<v1::CellFinding> finding = v1::CellFinding();
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    if (absl::Status may = CheckMaySet(database, id, caller); !may.ok()) return may;
    if (state == v1::CELL_FINDING_FIXED) {
      Close(database, id, why, now_ns);
    } else {
      if (absl::Status other = CheckNoOther(database, id); !other.ok()) return other;
      LeaveOpen(database, id, state, why);
    }
    finding = ReadOne(database, id);
    return finding.status();
  });
  if (!status.ok()) return status;
  return finding;
}

}  // namespace torchlap::storage
