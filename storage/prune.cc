#include "storage/prune.h"

#include <absl/strings/str_cat.h>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "storage/filter_limits.h"
#include "storage/id_list.h"
#include "storage/rollup.h"
#include "storage/run_query.h"
#include "storage/shown_label.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

std::string In(const std::string& column) { return absl::StrCat(column, " IN (", kListed, ")"); }

// ---- samples ----

struct Start {
  int64_t at_ns = 0;
  int64_t id = 0;
};

// Up to `limit` finished runs behind `last`, those with samples and those without.
std::vector<int64_t> RunsBefore(SQLite::Database& database, int64_t before_ns, uint32_t limit,
                                Start* last) {
  std::vector<int64_t> ids;
  Query query(database,
              "SELECT started_at_ns, id FROM run INDEXED BY run_by_start WHERE outcome IS NOT NULL "
              "AND started_at_ns < ? AND (started_at_ns, id) > (?, ?) "
              "ORDER BY started_at_ns, id LIMIT ?",
              before_ns, last->at_ns, last->id, limit);
  while (query.Step()) {
    *last = {query.Int(0), query.Int(1)};
    ids.push_back(last->id);
  }
  return ids;
}

uint64_t CountSamples(SQLite::Database& database, const std::vector<int64_t>& runs) {
  return static_cast<uint64_t>(SelectOne(
      database, absl::StrCat("SELECT count(*) FROM sample WHERE ", In("run_id")), IdList(runs)));
}

uint64_t DeleteSamples(SQLite::Database& database, const std::vector<int64_t>& runs) {
  return static_cast<uint64_t>(
      Execute(database, absl::StrCat("DELETE FROM sample WHERE ", In("run_id")), IdList(runs)));
}

// Reads where it only counts.
absl::Status InTransaction(Database* database, Pruning pruning,
                           const std::function<absl::Status(SQLite::Database&)>& body) {
  return pruning == Pruning::kDelete ? database->Write(body) : database->Read(body);
}

// ---- whole runs ----

// What may not be deleted, whoever chose it.
struct Kept {
  std::set<std::string> calibrations;  // run ids that runs were held against
  bool has_baselines = false;
};

Kept ReadKept(SQLite::Database& database) {
  Kept kept;
  Query query(database, Once{"SELECT DISTINCT calibration_run_id FROM run "
                             "WHERE calibration_run_id IS NOT NULL"});
  while (query.Step()) kept.calibrations.insert(query.Text(0));
  kept.has_baselines = !static_cast<SqliteConnection&>(database).ColumnNames("baseline").empty();
  return kept;
}

std::unordered_set<int64_t> Found(SQLite::Database& database, const std::string& sql,
                                  const std::vector<int64_t>& ids) {
  std::unordered_set<int64_t> found;
  Query query(database, sql, IdList(ids));
  while (query.Step()) found.insert(query.Int(0));
  return found;
}

struct Page {
  std::vector<int64_t> runs;
  std::set<uint64_t> jobs;  // theirs
};

// Takes out what stays, and counts it.
Page Deletable(SQLite::Database& database, const std::vector<RunPlace>& places, const Kept& kept,
               PrunedRuns* pruned) {
  std::vector<int64_t> ids;
  for (const RunPlace& place : places) ids.push_back(place.id);
  const auto unfinished =
      Found(database,
            absl::StrCat(
                "SELECT run.id FROM run JOIN job ON job.id = run.job_id WHERE job.state < 3 AND ",
                In("run.id")),
            ids);
  std::unordered_set<int64_t> in_baselines;
  if (kept.has_baselines) {
    in_baselines =
        Found(database, absl::StrCat("SELECT run_id FROM baseline WHERE ", In("run_id")), ids);
  }
  Page page;
  for (const RunPlace& place : places) {
    if (unfinished.contains(place.id)) {
      ++pruned->of_unfinished_jobs;
    } else if (in_baselines.contains(place.id)) {
      ++pruned->in_baselines;
    } else if (kept.calibrations.contains(absl::StrCat(place.job_id, ".", place.number))) {
      ++pruned->calibrations;
    } else {
      page.runs.push_back(place.id);
      page.jobs.insert(place.job_id);
    }
  }
  return page;
}

void TakeFromKinds(SQLite::Database& database, const std::string& runs) {
  Execute(database,
          absl::StrCat("UPDATE run_kind SET runs = run_kind.runs - gone.runs FROM "
                       "(SELECT kind_id, count(*) AS runs FROM run WHERE ",
                       In("id"),
                       " AND kind_id IS NOT NULL GROUP BY kind_id) AS gone "
                       "WHERE run_kind.id = gone.kind_id"),
          runs);
}

// What points at a run that goes points at the other end of what it saw; with both it is gone.
void LeaveFindings(SQLite::Database& database, const std::string& runs) {
  static const std::string first_goes =
      absl::StrCat("UPDATE cell_finding SET run_id = seen_run_id WHERE ", In("run_id"));
  static const std::string last_goes =
      absl::StrCat("UPDATE cell_finding SET seen_run_id = run_id WHERE ", In("seen_run_id"));
  static const std::string both_go = absl::StrCat("DELETE FROM cell_finding WHERE ", In("run_id"));
  Execute(database, first_goes, runs);
  Execute(database, last_goes, runs);
  Execute(database, both_go, runs);
}

void DeleteRunRows(SQLite::Database& database, const std::string& runs) {
  LeaveFindings(database, runs);
  for (const char* table : {"sample", "reading", "assessment", "calibration"}) {
    Execute(database, absl::StrCat("DELETE FROM ", table, " WHERE ", In("run_id")), runs);
  }
  TakeFromKinds(database, runs);
  Execute(database, absl::StrCat("DELETE FROM run WHERE ", In("id")), runs);
  Execute(database, "DELETE FROM run_kind WHERE runs <= 0");
}

// Of `jobs` those that have no run any more, and of their sweeps those that have no job.
void DeleteJobsWithoutRuns(SQLite::Database& database, const std::set<uint64_t>& jobs) {
  std::vector<int64_t> empty;
  std::set<int64_t> sweeps;
  {
    Query query(database,
                absl::StrCat("SELECT id, sweep_id FROM job WHERE ", In("id"),
                             " AND state >= 3 AND NOT EXISTS "
                             "(SELECT 1 FROM run WHERE run.job_id = job.id)"),
                IdList(jobs));
    while (query.Step()) {
      empty.push_back(query.Int(0));
      sweeps.insert(query.Int(1));
    }
  }
  // `launch`: those that were set aside.
  for (const char* table : {"label", "launch", "job_event"}) {
    Execute(database, absl::StrCat("DELETE FROM ", table, " WHERE ", In("job_id")), IdList(empty));
  }
  Execute(database, absl::StrCat("DELETE FROM job WHERE ", In("id")), IdList(empty));
  Execute(database,
          absl::StrCat("DELETE FROM sweep WHERE ", In("id"),
                       " AND NOT EXISTS (SELECT 1 FROM job WHERE job.sweep_id = sweep.id)"),
          IdList(sweeps));
}

// What is left of a launch may stand for it now: the shares of whole jobs are taken out and put in
// again.
void Delete(SQLite::Database& database, const Page& page) {
  const std::string jobs = IdList(page.jobs);
  TakeJobsFromRollup(database, jobs);
  DeleteRunRows(database, IdList(page.runs));
  PutJobsIntoRollup(database, jobs);
  DeleteJobsWithoutRuns(database, page.jobs);
}

// While jobs are deleted: without it each of them would be looked for in all events.
class EventsByJob {
 public:
  explicit EventsByJob(Database* database) : database_(database) {}
  ~EventsByJob() { Run("DROP INDEX IF EXISTS job_event_by_job").IgnoreError(); }
  EventsByJob(const EventsByJob&) = delete;
  EventsByJob& operator=(const EventsByJob&) = delete;

  // Some seconds for a million events, while which submits wait.
  absl::Status Make() const {
    return Run("CREATE INDEX IF NOT EXISTS job_event_by_job ON job_event (job_id)");
  }

 private:
  absl::Status Run(const char* sql) const {
    return database_->Write([sql](SQLite::Database& database) {
      database.exec(sql);
      return absl::OkStatus();
    });
  }

  Database* const database_;
};

absl::Status CheckNamesSomething(const v1::RunFilter& filter, const JobFilter& selected) {
  const bool names = filter.selector().ByteSizeLong() > 0 || !filter.labels().empty() ||
                     !selected.job_ids.empty() || !selected.sweep_ids.empty();
  if (names) return absl::OkStatus();
  return absl::InvalidArgumentError("runs names nothing, must name what is to be deleted");
}

}  // namespace

absl::StatusOr<uint64_t> PruneSamples(Database* database, int64_t before_ns, Pruning pruning,
                                      uint32_t runs_at_once) {
  uint64_t samples = 0;
  Start last;
  std::vector<int64_t> runs;
  do {
    absl::Status status = InTransaction(database, pruning, [&](SQLite::Database& connection) {
      runs = RunsBefore(connection, before_ns, runs_at_once, &last);
      samples += pruning == Pruning::kDelete ? DeleteSamples(connection, runs)
                                             : CountSamples(connection, runs);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  } while (!runs.empty());
  return samples;
}

absl::StatusOr<PrunedRuns> PruneWholeRuns(Database* database, const v1::RunFilter& filter,
                                          const JobFilter& selected, Pruning pruning,
                                          uint32_t runs_at_once) {
  if (absl::Status limits = CheckLimits(filter); !limits.ok()) return limits;
  if (absl::Status named = CheckNamesSomething(filter, selected); !named.ok()) return named;
  Kept kept;
  absl::StatusOr<std::vector<Label>> labels = std::vector<Label>();
  absl::Status read = database->Read([&](SQLite::Database& connection) {
    kept = ReadKept(connection);
    labels = StoredLabels(connection, filter, selected.only_owner);
    return labels.status();
  });
  if (!read.ok()) return read;
  std::optional<EventsByJob> events;
  if (pruning == Pruning::kDelete) {
    if (absl::Status made = events.emplace(database).Make(); !made.ok()) return made;
  }
  PrunedRuns pruned;
  RunPlace last;
  std::vector<RunPlace> places;
  do {
    absl::Status status = InTransaction(database, pruning, [&](SQLite::Database& connection) {
      places = RunQuery(connection, filter, selected, *labels).ByJob(last, runs_at_once, false);
      const Page page = Deletable(connection, places, kept, &pruned);
      if (pruning == Pruning::kDelete) Delete(connection, page);
      pruned.runs += page.runs.size();
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    if (!places.empty()) last = places.back();
  } while (!places.empty());
  return pruned;
}

}  // namespace torchlap::storage
