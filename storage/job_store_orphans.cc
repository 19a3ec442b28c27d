// JobStore::SetAsideOrphans: what can come from damage alone.
#include <absl/strings/str_cat.h>

#include <optional>

#include "storage/job_event.h"
#include "storage/job_store.h"
#include "storage/launch.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

constexpr size_t kMostLines = 100;

void Say(std::string line, std::vector<std::string>* lines) {
  if (lines->size() < kMostLines) lines->push_back(std::move(line));
}

struct Orphan {
  uint64_t job_id = 0;
  uint32_t number = 0;  // of the launch or run
  bool has_job = false;
};

std::vector<Orphan> Orphans(SQLite::Database& database, const std::string& sql) {
  std::vector<Orphan> orphans;
  Query query(database, sql);
  while (query.Step()) {
    orphans.push_back({query.Uint(0), static_cast<uint32_t>(query.Int(1)), query.Int(2) != 0});
  }
  return orphans;
}

void SetAsideLaunches(SQLite::Database& database, std::vector<std::string>* lines) {
  const auto launches = Orphans(database,
                                "SELECT job_id, launch, job.id IS NOT NULL FROM launch "
                                "LEFT JOIN job ON job.id = launch.job_id "
                                "WHERE launch.state IN (1, 2) AND ifnull(job.state, 3) >= 3");
  for (const Orphan& orphan : launches) {
    SetAsideLaunch(database, orphan.job_id, orphan.number);
    Say(absl::StrCat("launch ", orphan.number, " of job ", orphan.job_id,
                     " was set aside: its job ", orphan.has_job ? "is finished" : "is missing"),
        lines);
  }
}

// Their outcome is all that is known; nothing is counted that no job asked for.
void EndRunsWithoutJob(SQLite::Database& database, std::vector<std::string>* lines) {
  const auto runs = Orphans(database,
                            "SELECT job_id, number, 0 FROM run WHERE outcome IS NULL "
                            "AND NOT EXISTS (SELECT 1 FROM job WHERE job.id = run.job_id)");
  for (const Orphan& orphan : runs) {
    Execute(database, "UPDATE run SET outcome = ? WHERE job_id = ? AND number = ?",
            v1::OUTCOME_INTERRUPTED, orphan.job_id, orphan.number);
    Say(absl::StrCat("run ", orphan.job_id, ".", orphan.number,
                     " is INTERRUPTED: its job is missing"),
        lines);
  }
}

void QueueLaunchesWithoutRun(SQLite::Database& database, std::vector<std::string>* lines) {
  const auto launches =
      Orphans(database,
              "SELECT job_id, launch, 1 FROM launch WHERE state = 2 AND NOT EXISTS ("
              "SELECT 1 FROM run INDEXED BY run_by_job WHERE run.job_id = launch.job_id "
              "AND run.launch = launch.launch AND run.outcome IS NULL)");
  for (const Orphan& orphan : launches) {
    Execute(database, "UPDATE launch SET state = 1 WHERE job_id = ? AND launch = ?", orphan.job_id,
            orphan.number);
    Say(absl::StrCat("launch ", orphan.number, " of job ", orphan.job_id,
                     " was queued again: it has no run"),
        lines);
  }
}

void FailJobsWithoutLaunch(SQLite::Database& database, int64_t now_ns,
                           std::vector<std::string>* lines) {
  const auto jobs = Orphans(database,
                            "SELECT id, 0, 1 FROM job INDEXED BY job_unfinished WHERE state < 3 "
                            "AND NOT EXISTS (SELECT 1 FROM launch WHERE job_id = job.id "
                            "AND +launch.state < 3) AND NOT EXISTS (SELECT 1 FROM run "
                            "INDEXED BY run_by_job WHERE job_id = job.id AND outcome IS NULL)");
  for (const Orphan& orphan : jobs) {
    const std::string reason =
        absl::StrCat("job ", orphan.job_id, " was not finished and has no launch left");
    Execute(database, "UPDATE job SET state = 4, finished_at_ns = ?, reason = ? WHERE id = ?",
            now_ns, reason, orphan.job_id);
    RecordEvent(database,
                {.job_id = orphan.job_id, .state = v1::JOB_STATE_FAILED, .at_ns = now_ns});
    Say(absl::StrCat(reason, ": it is FAILED"), lines);
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> JobStore::SetAsideOrphans(int64_t now_ns) {
  std::vector<std::string> lines;
  absl::Status status = database_->Write([&](SQLite::Database& database) {
    SetAsideLaunches(database, &lines);
    EndRunsWithoutJob(database, &lines);
    QueueLaunchesWithoutRun(database, &lines);
    FailJobsWithoutLaunch(database, now_ns, &lines);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return lines;
}

}  // namespace torchlap::storage
