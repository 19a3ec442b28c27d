#include "storage/sweep_list.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <limits>
#include <utility>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// The id of the last sweep of the page before.
absl::StatusOr<int64_t> ParseToken(const std::string& token) {
  int64_t id = std::numeric_limits<int64_t>::max();
  if (token.empty()) return id;
  if (absl::SimpleAtoi(token, &id) && absl::StrCat(id) == token) return id;
  return absl::InvalidArgumentError(absl::StrCat(
      "page_token is '", token, "', must be the next_page_token of an earlier answer"));
}

std::vector<v1::Sweep> SweepsBelow(SQLite::Database& database, const std::string& user, int64_t id,
                                   uint32_t limit) {
  std::vector<v1::Sweep> sweeps;
  Query query(database,
              "SELECT sweep.id, sweep.name, principal.name, sweep.submitted_at_ns FROM sweep "
              "JOIN principal ON principal.id = sweep.owner_id WHERE sweep.id < ?1 "
              "AND (?2 = '' OR principal.name = ?2 OR principal.principal = ?2) "
              "ORDER BY sweep.id DESC LIMIT ?3",
              id, user, limit);
  while (query.Step()) {
    v1::Sweep& sweep = sweeps.emplace_back();
    sweep.set_sweep_id(query.Uint(0));
    sweep.set_name(query.Text(1));
    sweep.set_user(query.Text(2));
    sweep.set_submitted_at_ns(query.Int(3));
  }
  return sweeps;
}

void CountJobs(v1::JobState state, uint32_t jobs, v1::Sweep* sweep) {
  switch (state) {
    case v1::JOB_STATE_QUEUED:
      return sweep->set_queued_jobs(jobs);
    case v1::JOB_STATE_RUNNING:
      return sweep->set_running_jobs(jobs);
    case v1::JOB_STATE_SUCCEEDED:
      return sweep->set_succeeded_jobs(jobs);
    case v1::JOB_STATE_FAILED:
      return sweep->set_failed_jobs(jobs);
    case v1::JOB_STATE_CANCELLED:
      return sweep->set_cancelled_jobs(jobs);
    default:
      return;
  }
}

// All jobs of a sweep are of one purpose.
void ReadJobs(SQLite::Database& database, v1::Sweep* sweep) {
  Query query(database,
              "SELECT state, count(*), max(purpose) FROM job INDEXED BY job_by_sweep "
              "WHERE sweep_id = ? GROUP BY state",
              sweep->sweep_id());
  while (query.Step()) {
    CountJobs(static_cast<v1::JobState>(query.Int(0)), static_cast<uint32_t>(query.Int(1)), sweep);
    sweep->set_purpose(static_cast<v1::Purpose>(query.Int(2)));
  }
}

void CountRuns(v1::Validity validity, uint32_t runs, v1::Sweep* sweep) {
  switch (validity) {
    case v1::VALIDITY_CLEAN:
      return sweep->set_clean_runs(runs);
    case v1::VALIDITY_UNVERIFIED:
      return sweep->set_unverified_runs(runs);
    case v1::VALIDITY_SUSPECT:
      return sweep->set_suspect_runs(runs);
    case v1::VALIDITY_CONTAMINATED:
      return sweep->set_contaminated_runs(runs);
    default:
      return;
  }
}

void ReadRuns(SQLite::Database& database, v1::Sweep* sweep) {
  Query query(database,
              "SELECT run.validity, count(*) FROM job INDEXED BY job_by_sweep "
              "JOIN run INDEXED BY run_by_job ON run.job_id = job.id "
              "WHERE job.sweep_id = ? AND run.outcome = ? GROUP BY run.validity",
              sweep->sweep_id(), v1::OUTCOME_OK);
  while (query.Step()) {
    CountRuns(static_cast<v1::Validity>(query.Int(0)), static_cast<uint32_t>(query.Int(1)), sweep);
  }
}

}  // namespace

absl::StatusOr<SweepPage> SweepList::List(const std::string& user, uint32_t page_size,
                                          const std::string& page_token) const {
  const absl::StatusOr<int64_t> below = ParseToken(page_token);
  if (!below.ok()) return below.status();
  SweepPage page;
  const absl::Status status = database_->Read([&](SQLite::Database& database) {
    page.sweeps = SweepsBelow(database, user, *below, page_size + 1);
    if (page.sweeps.size() > page_size) {
      page.sweeps.resize(page_size);
      page.next_page_token = absl::StrCat(page.sweeps.back().sweep_id());
    }
    for (v1::Sweep& sweep : page.sweeps) {
      ReadJobs(database, &sweep);
      ReadRuns(database, &sweep);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return page;
}

}  // namespace torchlap::storage
