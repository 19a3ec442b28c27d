#include "storage/sqlite_status.h"

#include <absl/strings/str_cat.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace torchlap::storage {
namespace {

bool DiskIsFull(int error_number) { return error_number == ENOSPC || error_number == EDQUOT; }

absl::Status DiskFull(const std::string& file) {
  return absl::ResourceExhaustedError(
      absl::StrCat("database ", file, ": the disk is full; free some space and try again"));
}

absl::Status NotWritable(const std::string& file, const std::string& detail) {
  return absl::PermissionDeniedError(
      absl::StrCat("database ", file, ": cannot be written (", detail,
                   "); the file and its folder must be writable by this user"));
}

absl::Status Damaged(const std::string& file, const SQLite::Exception& error) {
  return absl::DataLossError(
      absl::StrCat("database ", file, ": damaged (", error.what(),
                   "); restore a backup, or keep what can be read: torchlapd --repair"));
}

}  // namespace

absl::Status StatusOf(const SQLite::Exception& error, const std::filesystem::path& file,
                      sqlite3* connection) {
  const std::string name = file.string();
  // A row that is written refers to one that is not there: the program itself writes none such.
  if (error.getExtendedErrorCode() == SQLITE_CONSTRAINT_FOREIGNKEY) return Damaged(name, error);
  const int system_error = connection == nullptr ? 0 : sqlite3_system_errno(connection);
  switch (error.getErrorCode()) {
    case SQLITE_FULL:
      return DiskFull(name);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return NotWritable(name, error.what());
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Damaged(name, error);
    case SQLITE_IOERR:
      // SQLITE_IOERR_SHMSIZE: no room for the WAL's index.
      if (DiskIsFull(system_error) || error.getExtendedErrorCode() == SQLITE_IOERR_SHMSIZE) {
        return DiskFull(name);
      }
      // A file system that turned read-only under the open file.
      if (system_error == EROFS) return NotWritable(name, std::strerror(EROFS));
      return absl::UnavailableError(absl::StrCat("database ", name, ": ", error.what(), " (",
                                                 std::strerror(system_error), ")"));
    case SQLITE_BUSY:
      return absl::UnavailableError(
          absl::StrCat("database ", name, ": is locked by another program; end it and try again"));
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(
          absl::StrCat("database ", name, ": the request has a value larger than can be stored (",
                       error.what(), ")"));
    default:
      return absl::InternalError(absl::StrCat("database ", name, ": ", error.what(), " (SQLite ",
                                              error.getExtendedErrorCode(), ")"));
  }
}

absl::Status StatusOfSystemError(const std::string& attempt, const std::filesystem::path& file,
                                 int error_number) {
  const std::string name = file.string();
  const std::string why = std::strerror(error_number);
  if (DiskIsFull(error_number)) return DiskFull(name);
  switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
      return NotWritable(name, why);
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(absl::StrCat("database ", name, ": cannot ", attempt, " it (", why,
                                              "); its folder must be there"));
    default:
      return absl::UnavailableError(
          absl::StrCat("database ", name, ": cannot ", attempt, " it (", why, ")"));
  }
}

SQLite::Exception Damage(const std::string& what) { return {what, SQLITE_CORRUPT}; }

}  // namespace torchlap::storage
