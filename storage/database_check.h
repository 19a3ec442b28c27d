// What is wrong in a database, found without changing it.
#pragma once

#include <SQLiteCpp/Database.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "proto/base/clock.h"

namespace torchlap::storage {

struct DatabaseFindings {
  // Of SQLite: pages and rows that may not be readable.
  std::vector<std::string> unreadable;
  // Rows that refer to missing ones, launches and jobs that nobody would end.
  std::vector<std::string> inconsistent;
  bool is_complete = true;  // false: the time was over before all was looked at

  bool empty() const { return unreadable.empty() && inconsistent.empty(); }
};

// Looks until `deadline_ns` of the clock's monotonic time. At most 100 lines of each kind; `which`
// of the rows, with table and key.
DatabaseFindings CheckDatabase(SQLite::Database& database, const Clock& clock, int64_t deadline_ns);

// The same of a file, however long it takes, without a change to it or to its folder, and also
// while a daemon has it (untouched_database.h). Errors as Database::Open, but for damage, which is
// a finding. NOT_FOUND: there is no such file. PERMISSION_DENIED: it cannot be read.
absl::StatusOr<DatabaseFindings> CheckFile(const std::filesystem::path& file);

// The same where it lies, by whoever may change it and has its lock: needs no room for a copy.
absl::StatusOr<DatabaseFindings> CheckInPlace(const std::filesystem::path& file);

enum class Use { kRead, kWrite };

// What must hold of the file and what lies beside it before SQLite opens, or makes, it.
// FAILED_PRECONDITION: it is a pipe, a folder, a device. DATA_LOSS: it is empty or gone, and its
// WAL, which has the newest changes to it, is still there. PERMISSION_DENIED: it was made
// immutable and is to be written.
absl::Status CheckPlace(const std::filesystem::path& file, Use use);

}  // namespace torchlap::storage
