#include "storage/backup.h"

#include <SQLiteCpp/Exception.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "storage/sqlite_connection.h"
#include "storage/sqlite_status.h"
#include "storage/untouched_database.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;

// No name that a person gives to a copy: what begins so is removed.
constexpr char kMiddle[] = ".unfinished-copy-";
// Beside the copy: what others write meanwhile.
constexpr uint64_t kRoomForOthers = uint64_t{64} << 20;

// Removes the file, and what SQLite may leave beside it, at the end.
class NamedFile {
 public:
  explicit NamedFile(const fs::path& database)
      : path_(absl::StrCat(database.string(), kMiddle, "XXXXXX")),
        made_(::mkostemp(path_.data(), O_CLOEXEC)) {}
  ~NamedFile() {
    if (!made_) return;
    std::error_code ignored;
    for (const char* ending : {"", "-journal"}) fs::remove(path_ + ending, ignored);
  }
  NamedFile(const NamedFile&) = delete;
  NamedFile& operator=(const NamedFile&) = delete;

  bool is_made() const { return static_cast<bool>(made_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const FileDescriptor made_;
};

uint64_t SizeOf(const fs::path& file) {
  std::error_code missing;
  const uintmax_t size = fs::file_size(file, missing);
  return missing ? 0 : size;
}

absl::Status CheckRoom(const fs::path& database) {
  const uint64_t needed = SizeOf(database) + SizeOf(database.string() + "-wal") + kRoomForOthers;
  std::error_code unknown;
  const fs::path folder = database.parent_path().empty() ? "." : database.parent_path();
  const uintmax_t available = fs::space(folder, unknown).available;
  if (unknown || available >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("a copy of the database needs ", needed >> 20,
                                                   " MiB in ", folder.string(), ", ",
                                                   available >> 20, " MiB are free"));
}

absl::Status CheckCopy(const fs::path& database, const std::string& copy) {
  SqliteConnection connection(UriOf(copy, "mode=ro&immutable=1"),
                              SQLite::OPEN_READONLY | SQLite::OPEN_URI);
  Query query(connection, Once{"PRAGMA quick_check(1)"});
  const std::string found = query.Step() ? query.Text(0) : "nothing";
  if (found == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("database ", database.string(), ": damaged (", found,
                                          "); torchlapd --check tells more"));
}

absl::StatusOr<DatabaseCopy> Opened(const std::string& path) {
  DatabaseCopy copy;
  copy.file = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts = {};
  if (!copy.file || ::fstat(copy.file.get(), &facts) != 0) {
    return StatusOfSystemError("open", path, errno);
  }
  copy.bytes = static_cast<uint64_t>(facts.st_size);
  return copy;
}

absl::StatusOr<DatabaseCopy> Copy(const fs::path& database) {
  const NamedFile copy(database);
  if (!copy.is_made()) return StatusOfSystemError("create", copy.path(), errno);
  {
    SqliteConnection connection(database, SQLite::OPEN_READONLY);
    // No transaction of ours: it makes its own, which ends with it.
    Execute(connection, "VACUUM INTO ?", copy.path());
  }
  if (absl::Status status = CheckCopy(database, copy.path()); !status.ok()) return status;
  return Opened(copy.path());
}

}  // namespace

absl::StatusOr<DatabaseCopy> CopyDatabase(const fs::path& database) {
  if (absl::Status room = CheckRoom(database); !room.ok()) return room;
  try {
    return Copy(database);
  } catch (const SQLite::Exception& error) {
    return StatusOf(error, database, nullptr);
  }
}

void RemoveUnfinishedCopies(const fs::path& database) {
  const std::string begin = database.filename().string() + kMiddle;
  std::vector<fs::path> left;
  std::error_code ignored;
  const fs::path folder = database.parent_path().empty() ? "." : database.parent_path();
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with(begin)) left.push_back(entry.path());
  }
  for (const fs::path& file : left) fs::remove(file, ignored);
}

}  // namespace torchlap::storage
