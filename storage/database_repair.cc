#include "storage/database_repair.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <fcntl.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "proto/base/clock.h"
#include "proto/base/file_descriptor.h"
#include "storage/database.h"
#include "storage/database_check.h"
#include "storage/launch.h"
#include "storage/readable_copy.h"
#include "storage/rollup.h"
#include "storage/schema.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_status.h"
#include "storage/untouched_database.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;

// Rows are copied by so many of their numbers at once, and by halves of them where that fails.
constexpr int64_t kRowsAtOnce = 1024;
// Where SQLite cannot say which number is next, after so many steps without a row a table is over:
// the largest number, which may be damaged itself, is no promise that there is a row.
constexpr int kMostEmptySteps = 1000;

// A larger number was never given: it is damage itself.
constexpr int64_t kLargestRowid = 1'000'000'000'000;
// Every number that was given has left at least so much in the file: a row, or, of an event or a
// launch that is over, its share of a run's.
constexpr int64_t kFewestBytesOfNumber = 16;

template <typename Body>
absl::Status Guarded(const fs::path& file, const Body& body) {
  try {
    return body();
  } catch (const SQLite::Exception& error) {
    return StatusOf(error, file, nullptr);
  }
}

enum class Tried {
  kDone,
  kRefused,     // by a rule of the table: that a value is there once, that it is there at all
  kUnreadable,  // what was to be read is damaged
};

// What keeps the new file from being written, and no row is to blame for.
bool IsOfNewFile(int code) {
  return code == SQLITE_FULL || code == SQLITE_NOMEM || code == SQLITE_READONLY ||
         code == SQLITE_BUSY || code == SQLITE_INTERRUPT;
}

bool IsFailedWrite(const SQLite::Exception& error) {
  switch (error.getExtendedErrorCode()) {
    case SQLITE_IOERR_WRITE:
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_TRUNCATE:
    case SQLITE_IOERR_SHMSIZE:
      return true;
    default:
      return IsOfNewFile(error.getErrorCode());
  }
}

// Throws what no damage explains.
Tried Try(const auto& body) {
  try {
    body();
    return Tried::kDone;
  } catch (const SQLite::Exception& error) {
    if (IsFailedWrite(error)) throw;
    return error.getErrorCode() == SQLITE_CONSTRAINT ? Tried::kRefused : Tried::kUnreadable;
  }
}

bool Succeeds(const auto& body) { return Try(body) == Tried::kDone; }

absl::Status Sync(const fs::path& file) {
  const FileDescriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (opened && ::fsync(opened.get()) == 0) return absl::OkStatus();
  return StatusOfSystemError("sync", file, errno);
}

void RemoveWithWal(const fs::path& file) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file.string() + suffix, ignored);
}

// What reading a copy leaves beside it.
void RemoveTraces(const fs::path& copy) {
  std::error_code error;
  const fs::path wal = copy.string() + "-wal";
  fs::remove(copy.string() + "-shm", error);
  if (fs::file_size(wal, error) == 0 && !error) fs::remove(wal, error);
}

fs::path FreeName(const fs::path& file) {
  for (int number = 1;; ++number) {
    const fs::path name = absl::StrCat(file.string(), ".damaged-", number);
    if (!fs::exists(name) && !fs::exists(name.string() + "-wal")) return name;
  }
}

fs::path FolderOf(const fs::path& file) {
  return file.parent_path().empty() ? fs::path(".") : file.parent_path();
}

// Until the copy is whole and on the disk, nothing of the file is touched.
absl::StatusOr<fs::path> SetAside(const fs::path& file, std::vector<std::string>* lines) {
  const fs::path copy = FreeName(file);
  for (const char* suffix : {"", "-wal"}) {
    const fs::path from = file.string() + suffix;
    if (!fs::exists(from)) continue;
    const auto lost = CopyReadable(from, copy.string() + suffix);
    if (!lost.ok()) {
      RemoveWithWal(copy);
      return lost.status();
    }
    if (*lost == 0) continue;
    lines->push_back(
        absl::StrCat(from.filename().string(), ": ", *lost,
                     " bytes cannot be read from the disk, and are zeros in the copy"));
  }
  if (absl::Status status = Sync(FolderOf(file)); !status.ok()) return status;
  return copy;
}

absl::StatusOr<uint32_t> VersionOf(const fs::path& file) {
  int64_t application_id = 0;
  int64_t version = 0;
  const absl::Status status = Guarded(file, [&] {
    SqliteConnection database(file, SQLite::OPEN_READONLY);
    application_id = SelectOne(database, "PRAGMA application_id");
    version = SelectOne(database, "PRAGMA user_version");
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  const int64_t newest = Migrations().back().version;
  if (application_id == kApplicationId && version >= 1 && version <= newest) {
    return static_cast<uint32_t>(version);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("database ", file.string(), ": its schema version is ", version,
                   ", must be a torchlap database of version 1 to ", newest));
}

// An empty database of that version.
absl::Status MakeEmpty(const fs::path& file, uint32_t version) {
  std::vector<Migration> migrations = Migrations();
  std::erase_if(migrations, [&](const Migration& step) { return step.version > version; });
  return Database::Open(file, migrations).status();
}

struct Table {
  std::string name;
  bool has_rowid = true;
};

std::vector<Table> TablesOf(SQLite::Database& database) {
  std::vector<Table> tables;
  Query query(database,
              "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' "
              "AND type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name");
  while (query.Step()) tables.push_back({query.Text(0), query.Int(1) == 0});
  return tables;
}

// Of the numbers of rows of the attached database `damaged`.
int64_t LargestThatFits(SQLite::Database& database) {
  int64_t bytes = 0;
  const bool is_told = Succeeds([&] {
    bytes = SelectOne(database, "PRAGMA damaged.page_count") *
            SelectOne(database, "PRAGMA damaged.page_size");
  });
  return is_told ? std::min(bytes / kFewestBytesOfNumber, kLargestRowid) : kLargestRowid;
}

// Copies what can be read of the attached database `damaged`.
class RowCopy {
 public:
  RowCopy(SqliteConnection& database, std::vector<std::string>* lines)
      : database_(database), lines_(*lines) {}

  void Copy(const Table& table) {
    const std::string columns = absl::StrJoin(database_.ColumnNames(table.name), ", ");
    insert_ = absl::StrCat("INSERT INTO main.", table.name, " (", columns, ") SELECT ", columns,
                           " FROM damaged.", table.name);
    if (table.has_rowid) return CopyByRowid(table.name);
    if (Succeeds([&] { Execute(database_, insert_); })) return;
    if (table.name == "label") return CopyLabels();
    lines_.push_back(absl::StrCat("table ", table.name, ": its rows could not be read"));
  }

 private:
  // Of numbers.
  struct Count {
    int64_t rows = 0;
    int64_t first = 0;
    int64_t last = 0;

    void Add(int64_t id) {
      if (rows++ == 0) first = id;
      last = id;
    }
  };

  void CopyByRowid(const std::string& table) {
    const std::string next =
        absl::StrCat("SELECT min(rowid) FROM damaged.", table, " NOT INDEXED WHERE rowid > ?");
    range_ = absl::StrCat(insert_, " NOT INDEXED WHERE rowid > ? AND rowid <= ?");
    unreadable_ = {};
    refused_ = {};
    const std::optional<int64_t> largest = LargestOf(table);
    int64_t last = 0;
    int empty = 0;
    for (;;) {
      std::optional<int64_t> begin;
      if (Succeeds([&] { begin = SelectInt(database_, next, last); })) {
        if (!begin) break;
        if (*begin > kLargestRowid) {
          unreadable_.Add(*begin);
          break;
        }
        last = std::max(last, *begin - 1);
        empty = 0;
      } else if (empty >= kMostEmptySteps || (largest && last >= *largest)) {
        break;
      }
      // Beyond the largest no number was given: what fails there is no row.
      const int64_t end = last + kRowsAtOnce;
      const int64_t to = largest && *largest > last ? std::min(end, *largest) : end;
      empty = CopyRange(last, to) > 0 ? 0 : empty + 1;
      last = to;
    }
    Say(table, unreadable_, "could not be read");
    Say(table, refused_, "were dropped, as they break a rule of the table (UNIQUE, NOT NULL)");
  }

  // What tells the largest number of the table's rows where the table's own last page does not.
  std::vector<std::string> WaysToLargest(const std::string& table) {
    std::vector<std::string> ways = {
        absl::StrCat("SELECT max(rowid) FROM damaged.", table, " NOT INDEXED"),
        absl::StrCat("SELECT seq FROM damaged.sqlite_sequence WHERE name = '", table, "'")};
    Query indexes(database_, Once{"SELECT name FROM pragma_index_list(?) WHERE partial = 0"},
                  table);
    while (indexes.Step()) {
      ways.push_back(
          absl::StrCat("SELECT max(rowid) FROM damaged.", table, " INDEXED BY ", indexes.Text(0)));
    }
    return ways;
  }

  // Nothing: it cannot be told.
  std::optional<int64_t> LargestOf(const std::string& table) {
    std::optional<int64_t> largest;
    for (const std::string& sql : WaysToLargest(table)) {
      const bool is_told = Succeeds([&] { largest = SelectInt(database_, sql); });
      if (is_told && largest) return std::min(*largest, LargestThatFits(database_));
    }
    // A row of a run has the run's number.
    Query parent(database_,
                 Once{"SELECT f.\"table\" FROM pragma_foreign_key_list(?1) AS f "
                      "JOIN pragma_table_info(?1) AS c ON c.name = f.\"from\" AND c.pk = 1"},
                 table);
    return parent.Step() ? LargestOf(parent.Text(0)) : std::nullopt;
  }

  // Returns how many rows. Where it fails, each half by itself, down to the one row that is at
  // fault.
  int CopyRange(int64_t above, int64_t to) {
    int rows = 0;
    const Tried tried = Try([&] { rows = Execute(database_, range_, above, to); });
    if (tried == Tried::kDone) return rows;
    if (to - above > 1) {
      const int64_t middle = above + (to - above) / 2;
      rows = CopyRange(above, middle);
      return rows + CopyRange(middle, to);
    }
    (tried == Tried::kRefused ? refused_ : unreadable_).Add(to);
    return 0;
  }

  void Say(const std::string& table, const Count& count, const std::string& what) {
    if (count.rows == 0) return;
    lines_.push_back(absl::StrCat("table ", table, ": of the rows ", count.first, " to ",
                                  count.last, " up to ", count.rows, " ", what));
  }

  // Its key begins with the job.
  void CopyLabels() {
    const std::string of_job = insert_ + " WHERE job_id = ?";
    std::vector<int64_t> jobs;
    Query query(database_, "SELECT id FROM main.job");
    while (query.Step()) jobs.push_back(query.Int(0));
    int64_t lost = 0;
    for (const int64_t job : jobs) {
      if (!Succeeds([&] { Execute(database_, of_job, job); })) ++lost;
    }
    lines_.push_back(absl::StrCat("table label: those of ", lost, " jobs could not be read"));
  }

  SqliteConnection& database_;
  std::vector<std::string>& lines_;
  std::string insert_;
  std::string range_;
  Count unreadable_;
  Count refused_;
};

// So that numbers of jobs and sweeps that were given are not given again.
void CopySequences(SqliteConnection& database, std::vector<std::string>* lines) {
  const int64_t largest = LargestThatFits(database);
  const bool copied = Succeeds([&] {
    Execute(database,
            "UPDATE main.sqlite_sequence SET seq = max(seq, ifnull((SELECT min(d.seq, ?) FROM "
            "damaged.sqlite_sequence AS d WHERE d.name = main.sqlite_sequence.name), 0))",
            largest);
    Execute(database,
            "INSERT INTO main.sqlite_sequence (name, seq) SELECT name, min(seq, ?) FROM "
            "damaged.sqlite_sequence WHERE name NOT IN (SELECT name FROM main.sqlite_sequence)",
            largest);
  });
  if (!copied) lines->push_back("numbers that were given to lost jobs may be given again");
}

struct Reference {
  std::string table;
  std::string column;
  std::string parent;
  std::string key;
  bool is_key = false;  // the column names its row
  bool may_be_empty = false;
};

std::vector<Reference> ReferencesOf(SQLite::Database& database, const std::string& table) {
  std::vector<Reference> references;
  Query query(database,
              "SELECT f.\"from\", f.\"table\", f.\"to\", c.pk > 0, c.\"notnull\" = 0 AND c.pk = 0 "
              "FROM pragma_foreign_key_list(?) AS f JOIN pragma_table_info(?) AS c "
              "ON c.name = f.\"from\"",
              table, table);
  while (query.Step()) {
    references.push_back(
        {table, query.Text(0), query.Text(1), query.Text(2), query.Int(3) != 0, query.Int(4) != 0});
  }
  return references;
}

std::vector<Reference> ReferencesOf(SQLite::Database& database, const std::vector<Table>& tables) {
  std::vector<Reference> references;
  for (const Table& table : tables) {
    for (Reference& reference : ReferencesOf(database, table.name)) {
      references.push_back(std::move(reference));
    }
  }
  return references;
}

// ` WHERE ...` of the rows whose reference leads nowhere.
std::string Dangling(const Reference& reference) {
  return absl::StrCat(" WHERE ", reference.column, " IS NOT NULL AND ", reference.column,
                      " NOT IN (SELECT ", reference.key, " FROM main.", reference.parent, ")");
}

std::string RefersToMissing(const Reference& reference, int64_t rows) {
  return absl::StrCat("table ", reference.table, ": ", rows, " rows refer to rows of table ",
                      reference.parent, " that are missing: ");
}

// What stands for a lost row, so that what was measured is kept. A sweep is its first job's
// owner's, so it comes before the owners. The lost model has no kind: nothing can run it.
struct Placeholder {
  const char* table;
  const char* insert;  // ?1: its number
};

constexpr std::array<Placeholder, 4> kPlaceholders = {{
    {"sweep",
     "INSERT INTO main.sweep (id, owner_id, request_digest, submitted_at_ns) "
     "SELECT ?1, owner_id, '', ifnull(started_at_ns, 0) FROM main.job WHERE sweep_id = ?1 "
     "ORDER BY id LIMIT 1"},
    {"principal",
     "INSERT INTO main.principal (id, principal, name) "
     "VALUES (?1, 'lost:' || ?1, 'unknown (lost)')"},
    {"device",
     "INSERT INTO main.device (id, uuid, name, model) "
     "VALUES (?1, 'lost:' || ?1, 'unknown (lost)', 'unknown (lost)')"},
    {"workload",
     "INSERT INTO main.workload (id, kind, workload_hash, canonical, model_size) "
     "VALUES (?1, 0, 'lost:' || ?1, '', 'unknown (lost)')"},
}};

bool HasPlaceholder(const Reference& reference) {
  return !reference.may_be_empty && !reference.is_key &&
         std::any_of(kPlaceholders.begin(), kPlaceholders.end(),
                     [&](const Placeholder& known) { return reference.parent == known.table; });
}

void InsertPlaceholders(SQLite::Database& database, const Placeholder& placeholder,
                        const Reference& reference, std::vector<std::string>* lines) {
  const std::string of_table = absl::StrCat(" FROM main.", reference.table, Dangling(reference));
  std::vector<int64_t> ids;
  {
    Query lost(database, absl::StrCat("SELECT DISTINCT ", reference.column, of_table));
    while (lost.Step()) ids.push_back(lost.Int(0));
  }
  if (ids.empty()) return;
  const int64_t rows = SelectOne(database, absl::StrCat("SELECT count(*)", of_table));
  for (const int64_t id : ids) Execute(database, placeholder.insert, id);
  lines->push_back(absl::StrCat(RefersToMissing(reference, rows), "kept, with ", ids.size(),
                                " placeholders in their place"));
}

// Returns how many rows were changed.
int Settle(SQLite::Database& database, const Reference& reference,
           std::vector<std::string>* lines) {
  const std::string change =
      reference.may_be_empty
          ? absl::StrCat("UPDATE main.", reference.table, " SET ", reference.column, " = NULL")
          : absl::StrCat("DELETE FROM main.", reference.table);
  const int rows = Execute(database, change + Dangling(reference));
  if (rows > 0) {
    lines->push_back(absl::StrCat(RefersToMissing(reference, rows),
                                  reference.may_be_empty ? "that was emptied" : "left out"));
  }
  return rows;
}

// What is left out may be missed by others: until nothing more is.
void SettleAll(SQLite::Database& database, const std::vector<Reference>& references,
               std::vector<std::string>* lines) {
  int changed = 1;
  while (changed > 0) {
    changed = 0;
    for (const Reference& reference : references) changed += Settle(database, reference, lines);
  }
}

void SettleReferences(SQLite::Database& database, const std::vector<Table>& tables,
                      std::vector<std::string>* lines) {
  const std::vector<Reference> all = ReferencesOf(database, tables);
  // What is left out needs no placeholders, and what has one may be what a column refers to.
  std::vector<Reference> firm;
  std::copy_if(all.begin(), all.end(), std::back_inserter(firm), [](const Reference& reference) {
    return !HasPlaceholder(reference) && !reference.may_be_empty && !reference.is_key;
  });
  SettleAll(database, firm, lines);
  for (const Placeholder& placeholder : kPlaceholders) {
    for (const Reference& reference : all) {
      if (reference.parent != placeholder.table || !HasPlaceholder(reference)) continue;
      InsertPlaceholders(database, placeholder, reference, lines);
    }
  }
  SettleAll(database, all, lines);
}

// Of those that are not finished. Returns how many.
int FailJobs(SQLite::Database& database, const std::string& reason, const std::string& condition) {
  return Execute(database,
                 "UPDATE main.job SET state = 4, finished_at_ns = ?, reason = ? "
                 "WHERE state < 3 AND " +
                     condition,
                 WallNs(), reason);
}

void FailJobsOfLostModels(SQLite::Database& database, std::vector<std::string>* lines) {
  const int jobs = FailJobs(database, "its model was lost from a damaged database",
                            "workload_id IN (SELECT id FROM main.workload WHERE kind = 0)");
  if (jobs > 0) {
    lines->push_back(absl::StrCat("table job: ", jobs, " jobs whose model is lost are FAILED"));
  }
}

void SettleQueue(SQLite::Database& database, std::vector<std::string>* lines) {
  const int launches = Execute(database,
                               "DELETE FROM main.launch WHERE state = ? OR job_id IN "
                               "(SELECT id FROM main.job WHERE state >= 3)",
                               kLaunchSetAside);
  if (launches > 0) {
    lines->push_back(absl::StrCat("table launch: ", launches,
                                  " launches of finished jobs, or set aside, were left out"));
  }
  const int jobs = FailJobs(database, "its launches were lost from a damaged database",
                            "id NOT IN (SELECT job_id FROM main.launch)");
  if (jobs > 0) {
    lines->push_back(absl::StrCat("table job: ", jobs, " jobs without a launch are FAILED"));
  }
}

// Sums and kinds follow from the runs (migrations/0003_home_of_launches.cc).
void CountAnew(SQLite::Database& database) {
  Execute(database, "DELETE FROM main.run_kind");
  Execute(database,
          "INSERT INTO main.run_kind SELECT NULL, asked_workload_id, owner_id, device_id, outcome, "
          "ifnull(validity, 0), ifnull(purpose, 0), ifnull(timing, 0), count(*) FROM main.run "
          "WHERE outcome IS NOT NULL GROUP BY 2, 3, 4, 5, 6, 7, 8");
  Execute(database,
          "UPDATE main.run SET kind_id = k.id FROM main.run_kind AS k "
          "WHERE k.asked_workload_id = run.asked_workload_id AND k.owner_id = run.owner_id "
          "AND k.device_id = run.device_id AND k.outcome = run.outcome "
          "AND k.validity = ifnull(run.validity, 0) AND k.purpose = ifnull(run.purpose, 0) "
          "AND k.timing = ifnull(run.timing, 0)");
  CountRollupAnew(database);
}

// The first version that has kinds, and sums of that form.
constexpr uint32_t kVersionOfKinds = 3;

bool IsCountedAnew(const Table& table, uint32_t version) {
  return version >= kVersionOfKinds && (table.name == "run_kind" || table.name == "run_rollup");
}

// Into the file itself, which alone takes the place of the old one.
absl::Status Checkpoint(SQLite::Database& database, const fs::path& file) {
  Query query(database, "PRAGMA wal_checkpoint(TRUNCATE)");
  const bool is_whole = query.Step() && query.Int(0) == 0 && query.Int(1) == query.Int(2);
  if (is_whole) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "database ", file.string(), ": its WAL cannot be written into it; nothing was changed"));
}

absl::Status Fill(const fs::path& part, const fs::path& copy, uint32_t version,
                  std::vector<std::string>* lines) {
  return Guarded(part, [&]() -> absl::Status {
    SqliteConnection database(part, SQLite::OPEN_READWRITE | SQLite::OPEN_URI);
    // A statement at a time: a sector that cannot be read would take a whole transaction with it.
    // The file is synced when it is whole.
    database.exec("PRAGMA synchronous = OFF");
    database.exec("PRAGMA foreign_keys = OFF");
    Execute(database, "ATTACH ? AS damaged", UriOf(copy, "mode=ro"));
    const std::vector<Table> tables = TablesOf(database);
    for (const Table& table : tables) {
      if (!IsCountedAnew(table, version)) RowCopy(database, lines).Copy(table);
    }
    CopySequences(database, lines);
    database.exec("DETACH damaged");
    // No loss: they are counted anew.
    if (version >= kVersionOfKinds) Execute(database, "UPDATE main.run SET kind_id = NULL");
    SettleReferences(database, tables, lines);
    FailJobsOfLostModels(database, lines);
    SettleQueue(database, lines);
    if (version >= kVersionOfKinds) CountAnew(database);
    const DatabaseFindings left = CheckDatabase(database, SystemClock(), Clock::kNever);
    if (left.empty()) return Checkpoint(database, part);
    return absl::InternalError(absl::StrCat(
        "database ", copy.string(), ": cannot be repaired: ",
        left.unreadable.empty() ? left.inconsistent.front() : left.unreadable.front()));
  });
}

// With the new file the old WAL would be read as its own. Where the new one does not come, it goes
// back.
absl::Status PutInPlace(const fs::path& part, const fs::path& file) {
  const fs::path wal = file.string() + "-wal";
  const fs::path old_wal = part.string() + "-old";
  std::error_code ignored;
  fs::rename(wal, old_wal, ignored);
  if (::rename(part.c_str(), file.c_str()) != 0) {
    const int error = errno;
    fs::rename(old_wal, wal, ignored);
    return StatusOfSystemError("rename", part, error);
  }
  fs::remove(old_wal, ignored);
  fs::remove(file.string() + "-shm", ignored);
  return Sync(FolderOf(file));
}

// What was closed is in the file alone.
absl::Status CheckIsWhole(const fs::path& part) {
  std::error_code error;
  const uintmax_t left = fs::file_size(part.string() + "-wal", error);
  if (error || left == 0) return Sync(part);
  return absl::InternalError(absl::StrCat("database ", part.string(), ": its WAL still has ", left,
                                          " bytes; nothing was changed"));
}

absl::Status Rebuild(const fs::path& part, const fs::path& copy, std::vector<std::string>* lines) {
  const absl::StatusOr<uint32_t> version = VersionOf(copy);
  if (!version.ok()) return version.status();
  RemoveWithWal(part);
  absl::Status status = MakeEmpty(part, *version);
  if (status.ok()) status = Fill(part, copy, *version, lines);
  return status.ok() ? CheckIsWhole(part) : status;
}

}  // namespace

absl::StatusOr<RepairReport> RepairFile(const fs::path& file) {
  if (absl::Status status = CheckPlace(file, Use::kWrite); !status.ok()) return status;
  std::vector<std::string> lines;
  const absl::StatusOr<fs::path> copy = SetAside(file, &lines);
  if (!copy.ok()) return copy.status();
  const fs::path part = file.string() + ".repaired.part";
  if (absl::Status status = Rebuild(part, *copy, &lines); !status.ok()) {
    RemoveWithWal(part);
    RemoveWithWal(*copy);
    return status;
  }
  RemoveTraces(*copy);
  if (absl::Status status = PutInPlace(part, file); !status.ok()) {
    RemoveWithWal(part);
    return absl::Status(status.code(), absl::StrCat(status.message(),
                                                    "; a copy of it as it was: ", copy->string()));
  }
  return RepairReport{*copy, std::move(lines)};
}

}  // namespace torchlap::storage
