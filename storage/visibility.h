// Of whose jobs a caller may know more than that they exist (Caller::sees_all). What is left of the
// others' is said in server/rpc/privacy.h.
#pragma once

#include <SQLiteCpp/Database.h>
#include <absl/status/status.h>

#include <cstdint>
#include <string>

#include "storage/records.h"

namespace torchlap::storage {

// The principal whose jobs alone the caller may see; empty: everyone's.
std::string OnlyOwner(const Caller& caller);

// PERMISSION_DENIED with the owner's name: another's, and the caller may not see it. OK also of
// what is not there: whoever reads it says so. A run is there as far as this goes if its job is.
absl::Status CheckMaySeeJob(SQLite::Database& database, uint64_t job_id, const Caller& caller);
absl::Status CheckMaySeeSweep(SQLite::Database& database, uint64_t sweep_id, const Caller& caller);
absl::Status CheckMaySeeRun(SQLite::Database& database, const std::string& run_id,
                            const Caller& caller);

}  // namespace torchlap::storage
