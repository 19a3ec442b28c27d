// How a v1::Job lies in the tables.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <optional>
#include <string>

#include "storage/sqlite_connection.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::storage {

// A statement whose rows ReadJob understands; `condition` speaks of `job`.
std::string SelectJobs(const std::string& condition);
// Without runs.
v1::Job ReadJob(const Query& row);

// Without runs; nothing if it is not there.
std::optional<v1::Job> LoadJob(SQLite::Database& database, uint64_t job_id);

}  // namespace torchlap::storage
