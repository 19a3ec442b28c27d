// JobStore::Cancel.
#include <absl/strings/str_cat.h>

#include <set>

#include "storage/job_event.h"
#include "storage/job_store.h"
#include "storage/launch.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

absl::Status CheckMayCancel(SQLite::Database& database, uint64_t job_id, const Caller& caller) {
  Query owner(database,
              "SELECT principal, name FROM job JOIN principal ON principal.id = job.owner_id "
              "WHERE job.id = ?",
              job_id);
  if (!owner.Step()) return absl::NotFoundError(absl::StrCat("there is no job ", job_id));
  if (caller.is_admin || owner.Text(0) == caller.principal) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("job ", job_id, " belongs to ", owner.Text(1),
                                                  "; only its owner or an admin may cancel it"));
}

// Whether it was QUEUED and is CANCELLED now.
bool CancelQueued(SQLite::Database& database, uint64_t job_id, const std::string& reason,
                  int64_t now_ns) {
  const int changed =
      Execute(database,
              "UPDATE job SET state = 5, cancel_requested = 1, finished_at_ns = ?, reason = ? "
              "WHERE id = ? AND state = 1",
              now_ns, reason, job_id);
  if (changed == 0) return false;
  RecordEvent(database, {.job_id = job_id, .state = v1::JOB_STATE_CANCELLED, .at_ns = now_ns});
  return true;
}

// Whether it is RUNNING; then the wish is stored.
bool AskToCancel(SQLite::Database& database, uint64_t job_id, const std::string& reason) {
  return Execute(database,
                 "UPDATE job SET cancel_requested = 1, reason = ifnull(reason, ?) "
                 "WHERE id = ? AND state = 2",
                 reason, job_id) > 0;
}

void CancelOne(SQLite::Database& database, uint64_t job_id, const Caller& caller, int64_t now_ns,
               v1::CancelJobsResponse* response) {
  const std::string reason = "cancelled by " + caller.name;
  if (CancelQueued(database, job_id, reason, now_ns)) {
    response->add_cancelled_job_ids(job_id);
  } else if (AskToCancel(database, job_id, reason)) {
    response->add_cancelling_job_ids(job_id);
  } else {
    response->add_finished_job_ids(job_id);
  }
  DropQueuedLaunches(database, job_id);
}

}  // namespace

absl::StatusOr<v1::CancelJobsResponse> JobStore::Cancel(const std::vector<uint64_t>& job_ids,
                                                        const Caller& caller, int64_t now_ns) {
  v1::CancelJobsResponse response;
  const std::set<uint64_t> ids(job_ids.begin(), job_ids.end());
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    for (const uint64_t id : ids) {
      if (absl::Status may = CheckMayCancel(database, id, caller); !may.ok()) return may;
    }
    for (const uint64_t id : ids) CancelOne(database, id, caller, now_ns, &response);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return response;
}

}  // namespace torchlap::storage
