#include "storage/untouched_database.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

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

constexpr int64_t kNsPerSecond = 1'000'000'000;

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

}  // namespace

std::string UriOf(const fs::path& file, const std::string& parameters) {
  return absl::StrCat(
      "file:", absl::StrReplaceAll(file.string(), {{"%", "%25"}, {"?", "%3f"}, {"#", "%23"}}), "?",
      parameters);
}

absl::StatusOr<UntouchedDatabase> UntouchedDatabase::Find(const fs::path& file) {
  UntouchedDatabase database;
  database.file_ = file;
  database.at_first_ = LookAt(file);
  if (database.at_first_.is_open_elsewhere) {
    database.uri_ = UriOf(file, "mode=ro");
  } else if (!database.at_first_.has_wal()) {
    database.uri_ = UriOf(file, "mode=ro&immutable=1");
  } else if (absl::Status copied = database.Copy(file); !copied.ok()) {
    return copied;
  }
  return database;
}

UntouchedDatabase::Sight UntouchedDatabase::LookAt(const fs::path& file) {
  Sight sight;
  auto next = sight.files.begin();
  for (const char* suffix : {"", "-wal"}) {
    struct stat facts = {};
    const bool is_there = ::stat((file.string() + suffix).c_str(), &facts) == 0;
    *next++ = is_there ? facts.st_size : -1;
    *next++ = is_there ? facts.st_mtim.tv_sec * kNsPerSecond + facts.st_mtim.tv_nsec : -1;
  }
  // After the files: who opens it between the two is seen.
  sight.is_open_elsewhere = IsOpenElsewhere(file);
  return sight;
}

bool UntouchedDatabase::HasChanged() const {
  return !at_first_.is_open_elsewhere && LookAt(file_) != at_first_;
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
    : file_(std::move(other.file_)),
      at_first_(other.at_first_),
      uri_(std::move(other.uri_)),
      folder_(std::exchange(other.folder_, fs::path())) {}

UntouchedDatabase::~UntouchedDatabase() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

}  // namespace torchlap::storage
