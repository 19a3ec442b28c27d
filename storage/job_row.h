// How a v1::Job lies in the tables.
#pragma once

#include <SQLiteCpp/Database.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "storage/sqlite_connection.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::storage {

// A statement whose rows ReadJob understands; `condition` speaks of `job`, which is walked through
// by `index`, or by its ids: the planner has no statistics.
std::string SelectJobs(const std::string& condition, const std::string& index = "");
// Whether all that the job refers to is there.
bool HasAllRows(const Query& row);
// Without runs. Of a row that has all.
v1::Job ReadJob(const Query& row);

// Without runs. NOT_FOUND: there is no such job. DATA_LOSS: a row that it refers to is missing.
absl::StatusOr<v1::Job> LoadJob(SQLite::Database& database, uint64_t job_id);

// In one of the states of jobs that are not finished.
uint32_t CountJobs(SQLite::Database& database, v1::JobState state);

}  // namespace torchlap::storage
