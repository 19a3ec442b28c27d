#include "storage/launch.h"

#include "storage/sqlite_connection.h"

namespace torchlap::storage {

void SetAsideLaunch(SQLite::Database& database, uint64_t job_id, uint32_t launch) {
  Execute(database, "UPDATE launch SET state = ? WHERE job_id = ? AND launch = ?", kLaunchSetAside,
          job_id, launch);
}

// `+state` keeps SQLite from walking through everything that is queued to find the launches of one
// job.

int SetAsideQueuedLaunches(SQLite::Database& database, uint64_t job_id) {
  return Execute(database, "UPDATE launch SET state = ? WHERE job_id = ? AND +state = 1",
                 kLaunchSetAside, job_id);
}

void DropQueuedLaunches(SQLite::Database& database, uint64_t job_id) {
  Execute(database, "DELETE FROM launch WHERE job_id = ? AND +state = 1", job_id);
}

void ResizeQueuedLaunches(SQLite::Database& database, uint64_t job_id, uint32_t batch_size,
                          uint32_t context_length) {
  Execute(database,
          "UPDATE launch SET batch_size = ?, context_length = ? WHERE job_id = ? AND +state = 1",
          batch_size, context_length, job_id);
}

}  // namespace torchlap::storage
