#include "storage/database_check.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>

#include "proto/base/file_descriptor.h"
#include "storage/database.h"
#include "storage/launch.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_status.h"

namespace torchlap::storage {
namespace {

constexpr size_t kMostLines = 100;
constexpr int64_t kInterruptAgainNs = 100'000'000;

void Say(std::string line, std::vector<std::string>* lines) {
  if (lines->size() < kMostLines) lines->push_back(std::move(line));
}

// Ends what the connection does at the deadline. SQLite's progress handler is not asked within a
// check of a table, which may take minutes; an interrupt is seen there.
class TimeLimit {
 public:
  TimeLimit(sqlite3* connection, const Clock& clock, int64_t deadline_ns)
      : connection_(connection), clock_(clock), deadline_ns_(deadline_ns) {
    if (deadline_ns_ == Clock::kNever) return;
    over_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC));
    if (!over_) return;
    thread_ = std::jthread([this] { Watch(); });
  }
  ~TimeLimit() {
    if (over_) ::eventfd_write(over_.get(), 1);
  }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  bool IsPast() const { return clock_.MonotonicNs() >= deadline_ns_; }

 private:
  // Again and again, as an interrupt between two statements is forgotten.
  void Watch() const {
    pollfd over = {over_.get(), POLLIN, 0};
    int64_t until_ns = deadline_ns_;
    while (clock_.Poll(&over, 1, until_ns) == 0) {
      if (!IsPast()) continue;
      sqlite3_interrupt(connection_);
      until_ns = clock_.MonotonicNs() + kInterruptAgainNs;
    }
  }

  sqlite3* const connection_;
  const Clock& clock_;
  const int64_t deadline_ns_;
  FileDescriptor over_;
  std::jthread thread_;
};

// A part of the check: what SQLite cannot read there is a finding.
template <typename Body>
void Look(const TimeLimit& limit, DatabaseFindings* findings, const Body& body) {
  if (limit.IsPast()) findings->is_complete = false;
  if (!findings->is_complete) return;
  try {
    body();
  } catch (const SQLite::Exception& error) {
    switch (error.getErrorCode()) {
      case SQLITE_INTERRUPT:
        findings->is_complete = false;
        break;
      // No damage, and may pass.
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
      case SQLITE_NOMEM:
      case SQLITE_CANTOPEN:
      case SQLITE_FULL:
        throw;
      default:
        Say(error.what(), &findings->unreadable);
    }
  }
}

// `also_indexes`: whether they have what their tables have, which takes much longer.
void FindUnreadable(SQLite::Database& database, bool also_indexes,
                    std::vector<std::string>* lines) {
  Query query(database,
              Once{also_indexes ? "PRAGMA integrity_check(100)" : "PRAGMA quick_check(100)"});
  while (query.Step()) {
    if (std::string line = query.Text(0); line != "ok") Say(std::move(line), lines);
  }
}

std::vector<std::string> TablesOf(SQLite::Database& database) {
  std::vector<std::string> tables;
  Query query(database, Once{"SELECT name FROM sqlite_schema WHERE type = 'table' "
                             "AND name NOT LIKE 'sqlite_%' ORDER BY name"});
  while (query.Step()) tables.push_back(query.Text(0));
  return tables;
}

bool Has(const std::vector<std::string>& tables, const std::string& name) {
  return std::find(tables.begin(), tables.end(), name) != tables.end();
}

// `table device has no row 7, which row 5 of table run refers to`
void FindDangling(SQLite::Database& database, std::vector<std::string>* lines) {
  Query query(
      database,
      Once{"SELECT v.\"table\", v.rowid, v.parent, f.\"from\" FROM pragma_foreign_key_check "
           "AS v JOIN pragma_foreign_key_list(v.\"table\") AS f ON f.id = v.fkid"});
  while (lines->size() < kMostLines && query.Step()) {
    const std::string table = query.Text(0);
    std::string key = "that it names";
    if (!query.IsNull(1)) {
      Query value(
          database,
          Once{absl::StrCat("SELECT \"", query.Text(3), "\" FROM \"", table, "\" WHERE rowid = ?")},
          query.Int(1));
      if (value.Step()) key = value.Text(0);
    }
    const std::string row = query.IsNull(1) ? "a row" : absl::StrCat("row ", query.Int(1));
    Say(absl::StrCat("table ", query.Text(2), " has no row ", key, ", which ", row, " of table ",
                     table, " refers to"),
        lines);
  }
}

void FindLaunchesOfFinishedJobs(SQLite::Database& database, std::vector<std::string>* lines) {
  Query query(database, Once{"SELECT launch, job_id FROM launch JOIN job ON job.id = launch.job_id "
                             "WHERE launch.state IN (1, 2) AND job.state >= 3 LIMIT 100"});
  while (query.Step()) {
    Say(absl::StrCat("launch ", query.Int(0), " of job ", query.Int(1), ": its job is finished"),
        lines);
  }
}

void FindLaunchesSetAside(SQLite::Database& database, std::vector<std::string>* lines) {
  Query query(database, Once{"SELECT launch, job_id FROM launch WHERE state = ? LIMIT 100"},
              kLaunchSetAside);
  while (query.Step()) {
    Say(absl::StrCat("launch ", query.Int(0), " of job ", query.Int(1), " was set aside"), lines);
  }
}

void FindJobsWithoutLaunch(SQLite::Database& database, std::vector<std::string>* lines) {
  Query query(database, Once{"SELECT id FROM job WHERE state < 3 AND NOT EXISTS (SELECT 1 FROM "
                             "launch WHERE job_id = job.id AND launch.state < 3) LIMIT 100"});
  while (query.Step()) {
    Say(absl::StrCat("job ", query.Int(0), " is not finished and has no launch"), lines);
  }
}

const char* KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe (FIFO)";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// Not for a file system that has no such marks.
bool IsImmutable(const std::filesystem::path& file) {
  const FileDescriptor opened(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  int flags = 0;
  return opened.get() >= 0 && ::ioctl(opened.get(), FS_IOC_GETFLAGS, &flags) == 0 &&
         (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0;
}

// Its size; nothing: it is not there.
absl::StatusOr<std::optional<int64_t>> CheckOneFile(const std::filesystem::path& file, Use use) {
  struct stat facts = {};
  if (::stat(file.c_str(), &facts) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return StatusOfUnreadableFile(file, errno);
  }
  if (!S_ISREG(facts.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("database ", file.string(), ": is ",
                                                      KindOf(facts.st_mode),
                                                      ", must be a file or not there yet"));
  }
  if (use == Use::kWrite && IsImmutable(file)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "database ", file.string(),
        ": is marked immutable or append-only, must be writable: chattr -i -a ", file.string()));
  }
  return std::optional<int64_t>(facts.st_size);
}

}  // namespace

DatabaseFindings CheckDatabase(SQLite::Database& database, const Clock& clock,
                               int64_t deadline_ns) {
  DatabaseFindings findings;
  const TimeLimit limit(database.getHandle(), clock, deadline_ns);
  std::vector<std::string> tables;
  Look(limit, &findings, [&] { tables = TablesOf(database); });
  if (tables.empty()) return findings;
  std::vector<std::string>* const lines = &findings.inconsistent;
  if (Has(tables, "launch") && Has(tables, "job")) {
    Look(limit, &findings, [&] { FindLaunchesOfFinishedJobs(database, lines); });
    Look(limit, &findings, [&] { FindLaunchesSetAside(database, lines); });
    Look(limit, &findings, [&] { FindJobsWithoutLaunch(database, lines); });
  }
  Look(limit, &findings,
       [&] { FindUnreadable(database, deadline_ns == Clock::kNever, &findings.unreadable); });
  Look(limit, &findings, [&] { FindDangling(database, lines); });
  return findings;
}

absl::Status CheckPlace(const std::filesystem::path& file, Use use) {
  const auto size = CheckOneFile(file, use);
  if (!size.ok()) return size.status();
  const auto shm = CheckOneFile(file.string() + "-shm", use);
  if (!shm.ok()) return shm.status();
  const auto wal = CheckOneFile(file.string() + "-wal", use);
  if (!wal.ok()) return wal.status();
  const bool is_empty = size->value_or(0) == 0;
  if (!is_empty || wal->value_or(0) == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "database ", file.string(), ": is ", *size ? "empty" : "not there", ", but its WAL ",
      file.filename().string(), "-wal has ", **wal,
      " bytes: it was emptied or moved; put it back, or move the WAL away to start anew"));
}

}  // namespace torchlap::storage
