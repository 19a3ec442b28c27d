// Rows that many others refer to and that are stored once: each function returns the number of the
// row, made if it is not there. All throw SQLite::Exception and run inside a write transaction.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <optional>
#include <string>

#include "storage/records.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {

// Also brings the account name up to date.
int64_t StorePrincipal(SQLite::Database& database, const Caller& caller);

// `run`: workload, parameters and workload_hash are read.
int64_t StoreWorkload(SQLite::Database& database, const v1::Run& run, const std::string& canonical);

int64_t StoreDevice(SQLite::Database& database, const DeviceIdentity& device);

// Nothing for an empty key, hash or id.
std::optional<int64_t> StoreSeries(SQLite::Database& database, const std::string& series_key);
std::optional<int64_t> StoreBoot(SQLite::Database& database, const std::string& boot_id);
// Without an `environment` only one that is there already is found.
std::optional<int64_t> StoreEnvironment(SQLite::Database& database, const std::string& hash,
                                        const std::optional<v1::Environment>& environment);

}  // namespace torchlap::storage
