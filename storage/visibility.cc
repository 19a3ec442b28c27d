#include "storage/visibility.h"

#include <absl/strings/str_cat.h>

#include <optional>

#include "storage/run_row.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// `row`: principal and name of the owner, if it is there. One whose owner is lost is another's.
absl::Status CheckOwner(Query* row, const std::string& what, const Caller& caller) {
  if (!row->Step() || row->Text(0) == caller.principal) return absl::OkStatus();
  const std::string owner = row->IsNull(1) ? "another user" : row->Text(1);
  return absl::PermissionDeniedError(
      absl::StrCat(what, " belongs to ", owner,
                   "; only its owner or an admin may see it, as this daemon is private"));
}

}  // namespace

std::string OnlyOwner(const Caller& caller) { return caller.sees_all ? "" : caller.principal; }

absl::Status CheckMaySeeJob(SQLite::Database& database, uint64_t job_id, const Caller& caller) {
  if (caller.sees_all) return absl::OkStatus();
  Query owner(database,
              "SELECT principal.principal, principal.name FROM job "
              "LEFT JOIN principal ON principal.id = job.owner_id "
              "WHERE job.id = ?",
              job_id);
  return CheckOwner(&owner, absl::StrCat("job ", job_id), caller);
}

absl::Status CheckMaySeeSweep(SQLite::Database& database, uint64_t sweep_id, const Caller& caller) {
  if (caller.sees_all) return absl::OkStatus();
  Query owner(database,
              "SELECT principal.principal, principal.name FROM sweep "
              "LEFT JOIN principal ON principal.id = sweep.owner_id WHERE sweep.id = ?",
              sweep_id);
  return CheckOwner(&owner, absl::StrCat("sweep ", sweep_id), caller);
}

absl::Status CheckMaySeeRun(SQLite::Database& database, const std::string& run_id,
                            const Caller& caller) {
  const std::optional<RunKey> key = ParseRunId(run_id);
  if (caller.sees_all || !key) return absl::OkStatus();
  // By its job: how many runs that had is not told either. By itself where the job is lost.
  Query owner(database,
              "SELECT principal.principal, principal.name FROM "
              "(SELECT owner_id FROM job WHERE id = ?1 UNION ALL "
              "SELECT owner_id FROM run WHERE job_id = ?1 AND number = ?2) AS of_run "
              "LEFT JOIN principal ON principal.id = of_run.owner_id LIMIT 1",
              key->job_id, key->number);
  return CheckOwner(&owner, absl::StrCat("run ", run_id), caller);
}

}  // namespace torchlap::storage
