// Rows that must be there and are not: where the database is damaged.
#pragma once

#include <SQLiteCpp/Database.h>
#include <absl/status/status.h>

#include <cstdint>
#include <string>

namespace torchlap::storage {

// DATA_LOSS: `the database is damaged: table job has no row 17, which run 17.2 refers to; ...`.
absl::Status MissingRow(const std::string& table, const std::string& key,
                        const std::string& referrer);

// Why a job, or a run, cannot be read together with the rows that it refers to. NOT_FOUND: it is
// not there itself. DATA_LOSS: one that it refers to is not.
absl::Status WhyNoJob(SQLite::Database& database, uint64_t job_id);
absl::Status WhyNoRun(SQLite::Database& database, uint64_t job_id, uint32_t number);
// By run.id.
absl::Status WhyNoRun(SQLite::Database& database, int64_t id);

// Of what the database itself refers to: NOT_FOUND becomes DATA_LOSS.
absl::Status MustBeThere(const absl::Status& status, const std::string& table,
                         const std::string& key, const std::string& referrer);

}  // namespace torchlap::storage
