#include "storage/sqlite_status.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "storage/row_damage.h"

namespace torchlap::storage {
namespace {

// Made by Damage(): SQLite's own have an extended code.
bool IsDamage(const SQLite::Exception& error) {
  return error.getErrorCode() == SQLITE_CORRUPT && error.getExtendedErrorCode() == -1;
}

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

// SQLite does not always keep what the system said: 0, or why no file can be made beside this one.
int ErrorOfFolder(const std::filesystem::path& file) {
  const int fd = ::open(file.parent_path().c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return errno == EOPNOTSUPP || errno == EISDIR ? 0 : errno;
  // Room for a name is not yet room for a page.
  const int error = ::posix_fallocate(fd, 0, 4096);
  ::close(fd);
  return error == EOPNOTSUPP || error == EINVAL ? 0 : error;
}

}  // namespace

absl::Status StatusOf(const SQLite::Exception& error, const std::filesystem::path& file,
                      sqlite3* connection) {
  const std::string name = file.string();
  // A row that is written refers to one that is not there: the program itself writes none such.
  const bool is_of_row =
      error.getExtendedErrorCode() == SQLITE_CONSTRAINT_FOREIGNKEY || IsDamage(error);
  if (is_of_row) return RowDamaged(std::string(Damaged(name, error).message()));
  int system_error = connection == nullptr ? 0 : sqlite3_system_errno(connection);
  if (error.getErrorCode() == SQLITE_IOERR && system_error == 0) system_error = ErrorOfFolder(file);
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
      return absl::InternalError(absl::StrCat("database ", name, ": ", error.what(), " (",
                                              std::strerror(system_error), ")"));
    case SQLITE_BUSY:
      return absl::ResourceExhaustedError(
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

absl::Status StatusOfUnreadableFile(const std::filesystem::path& file, int error_number) {
  if (error_number != EACCES && error_number != EPERM) {
    return StatusOfSystemError("read", file, error_number);
  }
  return absl::PermissionDeniedError(absl::StrCat("database ", file.string(), ": cannot be read (",
                                                  std::strerror(error_number),
                                                  "); only its owner and root may read it"));
}

SQLite::Exception Damage(const std::string& what) { return {what, SQLITE_CORRUPT}; }

}  // namespace torchlap::storage
