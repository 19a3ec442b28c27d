// What SQLite's errors mean to a caller. The only place that knows its codes.
#pragma once

#include <SQLiteCpp/Exception.h>
#include <absl/status/status.h>

#include <filesystem>
#include <string>

struct sqlite3;

namespace torchlap::storage {

// `connection`: where it was thrown, for the system's reason behind an I/O error; may be null. The
// codes are listed at Database::Write.
absl::Status StatusOf(const SQLite::Exception& error, const std::filesystem::path& file,
                      sqlite3* connection);

// The same for a failed system call on the file or its folder. `attempt`: "create", "open".
absl::Status StatusOfSystemError(const std::string& attempt, const std::filesystem::path& file,
                                 int error_number);

// The same where it was only to be read.
absl::Status StatusOfUnreadableFile(const std::filesystem::path& file, int error_number);

// To be thrown: a row is not as this program writes it (`job.spec is not a JobSpec`). DATA_LOSS.
SQLite::Exception Damage(const std::string& what);

}  // namespace torchlap::storage
