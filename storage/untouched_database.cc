#include "storage/untouched_database.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <fcntl.h>
#include <stdlib.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "proto/base/file_descriptor.h"
#include "storage/readable_copy.h"
#include "storage/sqlite_status.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;

// The byte of the WAL's index that every connection holds a lock on (UNIX_SHM_DMS of SQLite's
// os_unix.c, a part of its file format).
constexpr off_t kLockOfConnections = 128;

// By another process: a process does not see its own locks.
bool IsOpenElsewhere(const fs::path& file) {
  const FileDescriptor index(
      ::open((file.string() + "-shm").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!index) return false;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kLockOfConnections;
  lock.l_len = 1;
  return ::fcntl(index.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool HasWal(const fs::path& file) {
  std::error_code error;
  const uintmax_t size = fs::file_size(file.string() + "-wal", error);
  return !error && size > 0;
}

}  // namespace

std::string UriOf(const fs::path& file, const std::string& parameters) {
  return absl::StrCat(
      "file:", absl::StrReplaceAll(file.string(), {{"%", "%25"}, {"?", "%3f"}, {"#", "%23"}}), "?",
      parameters);
}

absl::StatusOr<UntouchedDatabase> UntouchedDatabase::Find(const fs::path& file) {
  UntouchedDatabase database;
  if (IsOpenElsewhere(file)) {
    database.uri_ = UriOf(file, "mode=ro");
  } else if (!HasWal(file)) {
    database.uri_ = UriOf(file, "mode=ro&immutable=1");
  } else if (absl::Status copied = database.Copy(file); !copied.ok()) {
    return copied;
  }
  return database;
}

absl::Status UntouchedDatabase::Copy(const fs::path& file) {
  std::error_code no_folder;
  fs::path place = fs::temp_directory_path(no_folder);
  if (no_folder) place = "/tmp";
  std::string name = (place / "torchlap-check-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return StatusOfSystemError("copy", name, errno);
  folder_ = name;
  const fs::path copy = folder_ / "torchlap.db";
  for (const char* suffix : {"", "-wal"}) {
    const auto copied = CopyReadable(file.string() + suffix, copy.string() + suffix);
    if (!copied.ok()) return copied.status();
  }
  uri_ = UriOf(copy, "mode=ro");
  return absl::OkStatus();
}

UntouchedDatabase::UntouchedDatabase(UntouchedDatabase&& other) noexcept
    : uri_(std::move(other.uri_)), folder_(std::exchange(other.folder_, fs::path())) {}

UntouchedDatabase::~UntouchedDatabase() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

}  // namespace torchlap::storage
