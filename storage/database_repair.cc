#include "storage/database_repair.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>
#include <fcntl.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <system_error>

#include "proto/base/clock.h"
#include "proto/base/file_descriptor.h"
#include "storage/database.h"
#include "storage/database_check.h"
#include "storage/launch.h"
#include "storage/schema.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_status.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;

// Rows are copied by so many of their numbers at once, and one by one where that fails.
constexpr int64_t kRowsAtOnce = 1000;
// Where SQLite cannot say which number is next, after so many steps without a row a table is over.
constexpr int kMostEmptySteps = 1000;

// A larger number was never given: it is damage itself.
constexpr int64_t kLargestRowid = 1'000'000'000'000;

template <typename Body>
absl::Status Guarded(const fs::path& file, const Body& body) {
  try {
    return body();
  } catch (const SQLite::Exception& error) {
    return StatusOf(error, file, nullptr);
  }
}

bool Succeeds(const auto& body) {
  try {
    body();
    return true;
  } catch (const SQLite::Exception&) {
    return false;
  }
}

absl::Status Sync(const fs::path& file) {
  const FileDescriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (opened && ::fsync(opened.get()) == 0) return absl::OkStatus();
  return StatusOfSystemError("sync", file, errno);
}

absl::Status CopyOne(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error) return StatusOfSystemError("copy", from, error.value());
  return Sync(to);
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

absl::StatusOr<fs::path> SetAside(const fs::path& file) {
  const fs::path copy = FreeName(file);
  if (absl::Status status = CopyOne(file, copy); !status.ok()) return status;
  const fs::path wal = file.string() + "-wal";
  if (!fs::exists(wal)) return copy;
  if (absl::Status status = CopyOne(wal, copy.string() + "-wal"); !status.ok()) return status;
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

std::string Uri(const fs::path& file) {
  return absl::StrCat(
      "file:", absl::StrReplaceAll(file.string(), {{"%", "%25"}, {"?", "%3f"}, {"#", "%23"}}),
      "?mode=ro");
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

// Copies what can be read of the attached database `damaged`.
class RowCopy {
 public:
  RowCopy(SqliteConnection& database, std::vector<std::string>* lines)
      : database_(database), lines_(*lines) {}

  void Copy(const Table& table) {
    const std::string columns = absl::StrJoin(database_.ColumnNames(table.name), ", ");
    insert_ = absl::StrCat("INSERT OR IGNORE INTO main.", table.name, " (", columns, ") SELECT ",
                           columns, " FROM damaged.", table.name);
    if (table.has_rowid) return CopyByRowid(table.name);
    if (Succeeds([&] { Execute(database_, insert_); })) return;
    if (table.name == "label") return CopyLabels();
    lines_.push_back(absl::StrCat("table ", table.name, ": its rows could not be read"));
  }

 private:
  void CopyByRowid(const std::string& table) {
    const std::string next =
        absl::StrCat("SELECT min(rowid) FROM damaged.", table, " WHERE rowid > ?");
    const std::string range = absl::StrCat(insert_, " WHERE rowid > ? AND rowid <= ?");
    unreadable_ = 0;
    int64_t last = 0;
    for (int empty = 0; empty < kMostEmptySteps; ++empty) {
      std::optional<int64_t> begin;
      if (Succeeds([&] { begin = SelectInt(database_, next, last); })) {
        if (!begin || *begin > kLargestRowid) break;
        last = std::max(last, *begin - 1);
      }
      int rows = 0;
      const bool whole =
          Succeeds([&] { rows = Execute(database_, range, last, last + kRowsAtOnce); });
      if (!whole) rows = CopyOneByOne(last, last + kRowsAtOnce);
      if (rows > 0) empty = 0;
      last += kRowsAtOnce;
    }
    if (unreadable_ == 0) return;
    lines_.push_back(absl::StrCat("table ", table, ": of the rows ", first_, " to ", last_,
                                  " up to ", unreadable_, " could not be read"));
  }

  int CopyOneByOne(int64_t above, int64_t to) {
    const std::string one = insert_ + " WHERE rowid = ?";
    int rows = 0;
    for (int64_t id = above + 1; id <= to; ++id) {
      if (Succeeds([&] { rows += Execute(database_, one, id); })) continue;
      if (unreadable_++ == 0) first_ = id;
      last_ = id;
    }
    return rows;
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
  int64_t unreadable_ = 0;
  int64_t first_ = 0;
  int64_t last_ = 0;
};

// So that numbers of jobs and sweeps that were given are not given again.
void CopySequences(SqliteConnection& database, std::vector<std::string>* lines) {
  const bool copied = Succeeds([&] {
    Execute(database,
            "UPDATE main.sqlite_sequence SET seq = max(seq, ifnull((SELECT d.seq FROM "
            "damaged.sqlite_sequence AS d WHERE d.name = main.sqlite_sequence.name), 0))");
    Execute(database,
            "INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq FROM "
            "damaged.sqlite_sequence WHERE name NOT IN (SELECT name FROM main.sqlite_sequence)");
  });
  if (!copied) lines->push_back("numbers that were given to lost jobs may be given again");
}

struct Reference {
  std::string table;
  std::string column;
  std::string parent;
  std::string key;
  bool may_be_empty = false;
};

std::vector<Reference> ReferencesOf(SQLite::Database& database, const std::string& table) {
  std::vector<Reference> references;
  Query query(database,
              "SELECT f.\"from\", f.\"table\", f.\"to\", c.\"notnull\" = 0 AND c.pk = 0 "
              "FROM pragma_foreign_key_list(?) AS f JOIN pragma_table_info(?) AS c "
              "ON c.name = f.\"from\"",
              table, table);
  while (query.Step()) {
    references.push_back({table, query.Text(0), query.Text(1), query.Text(2), query.Int(3) != 0});
  }
  return references;
}

// Returns how many rows were changed.
int Settle(SQLite::Database& database, const Reference& reference,
           std::vector<std::string>* lines) {
  const std::string dangling =
      absl::StrCat(" WHERE ", reference.column, " IS NOT NULL AND ", reference.column,
                   " NOT IN (SELECT ", reference.key, " FROM main.", reference.parent, ")");
  const std::string change =
      reference.may_be_empty
          ? absl::StrCat("UPDATE main.", reference.table, " SET ", reference.column, " = NULL")
          : absl::StrCat("DELETE FROM main.", reference.table);
  const int rows = Execute(database, change + dangling);
  if (rows > 0) {
    lines->push_back(absl::StrCat("table ", reference.table, ": ", rows, " rows refer to rows of ",
                                  "table ", reference.parent, " that are missing: ",
                                  reference.may_be_empty ? "that was emptied" : "left out"));
  }
  return rows;
}

// What is left out may be missed by others: until nothing more is.
void SettleReferences(SQLite::Database& database, const std::vector<Table>& tables,
                      std::vector<std::string>* lines) {
  std::vector<Reference> references;
  for (const Table& table : tables) {
    for (Reference& reference : ReferencesOf(database, table.name)) {
      references.push_back(std::move(reference));
    }
  }
  int changed = 1;
  while (changed > 0) {
    changed = 0;
    for (const Reference& reference : references) changed += Settle(database, reference, lines);
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
  const int jobs = Execute(database,
                           "UPDATE main.job SET state = 4, finished_at_ns = ?, "
                           "reason = 'its launches were lost from a damaged database' "
                           "WHERE state < 3 AND id NOT IN (SELECT job_id FROM main.launch)",
                           WallNs());
  if (jobs > 0) {
    lines->push_back(absl::StrCat("table job: ", jobs, " jobs without a launch are FAILED"));
  }
}

// Sums and kinds follow from the runs (migrations/0003_home_of_launches.cc).
void CountAnew(SQLite::Database& database) {
  Execute(database, "UPDATE main.run SET kind_id = NULL");
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
  std::vector<std::string> sums;
  for (const char* phase : {"forward", "loss", "backward", "optimizer", "step"}) {
    sums.push_back(absl::StrCat("sum(stands AND ", phase, "_mean_ns IS NOT NULL), sum(iif(stands, ",
                                "ifnull(", phase, "_mean_ns, 0.0), 0.0))"));
  }
  Execute(database, "DELETE FROM main.run_rollup");
  Execute(
      database,
      absl::StrCat("INSERT INTO main.run_rollup SELECT ifnull(workload_id, 0), ifnull(timing, 0), "
                   "ifnull(purpose, 0), outcome, ifnull(validity, 0), count(*), ",
                   absl::StrJoin(sums, ", "),
                   " FROM (SELECT *, NOT (outcome = 1 AND ifnull(purpose, 0) IN (1, 2) AND EXISTS ("
                   "SELECT 1 FROM main.run AS later WHERE later.job_id = run.job_id "
                   "AND later.launch = run.launch AND later.outcome = 1 AND later.id > run.id)) AS "
                   "stands FROM main.run WHERE outcome IS NOT NULL) GROUP BY 1, 2, 3, 4, 5"));
}

// The first version that has kinds, and sums of that form.
constexpr uint32_t kVersionOfKinds = 3;

absl::Status Fill(const fs::path& part, const fs::path& copy, uint32_t version,
                  std::vector<std::string>* lines) {
  return Guarded(part, [&]() -> absl::Status {
    SqliteConnection database(part, SQLite::OPEN_READWRITE | SQLite::OPEN_URI);
    // A statement at a time: a sector that cannot be read would take a whole transaction with it.
    // The file is synced when it is whole.
    database.exec("PRAGMA synchronous = OFF");
    database.exec("PRAGMA foreign_keys = OFF");
    Execute(database, "ATTACH ? AS damaged", Uri(copy));
    const std::vector<Table> tables = TablesOf(database);
    for (const Table& table : tables) RowCopy(database, lines).Copy(table);
    CopySequences(database, lines);
    database.exec("DETACH damaged");
    SettleReferences(database, tables, lines);
    SettleQueue(database, lines);
    if (version >= kVersionOfKinds) CountAnew(database);
    const DatabaseFindings left = CheckDatabase(database, SystemClock(), Clock::kNever);
    if (left.empty()) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(
        "database ", copy.string(), ": cannot be repaired: ",
        left.unreadable.empty() ? left.inconsistent.front() : left.unreadable.front()));
  });
}

// The copy has the WAL, too: with the new file it would be read as its own.
absl::Status PutInPlace(const fs::path& part, const fs::path& file) {
  if (absl::Status status = Sync(part); !status.ok()) return status;
  std::error_code ignored;
  for (const char* suffix : {"-wal", "-shm"}) fs::remove(file.string() + suffix, ignored);
  if (::rename(part.c_str(), file.c_str()) != 0) return StatusOfSystemError("rename", part, errno);
  return Sync(file.parent_path().empty() ? fs::path(".") : file.parent_path());
}

absl::StatusOr<std::vector<std::string>> Rebuild(const fs::path& file, const fs::path& copy) {
  const absl::StatusOr<uint32_t> version = VersionOf(copy);
  if (!version.ok()) return version.status();
  const fs::path part = file.string() + ".repaired.part";
  RemoveWithWal(part);
  std::vector<std::string> lines;
  absl::Status status = MakeEmpty(part, *version);
  if (status.ok()) status = Fill(part, copy, *version, &lines);
  if (status.ok()) status = PutInPlace(part, file);
  if (status.ok()) return lines;
  RemoveWithWal(part);
  return status;
}

}  // namespace

absl::StatusOr<RepairReport> RepairFile(const fs::path& file) {
  if (absl::Status status = CheckPlace(file); !status.ok()) return status;
  const absl::StatusOr<fs::path> copy = SetAside(file);
  if (!copy.ok()) return copy.status();
  absl::StatusOr<std::vector<std::string>> lines = Rebuild(file, *copy);
  if (!lines.ok()) {
    RemoveWithWal(*copy);
    return lines.status();
  }
  RemoveTraces(*copy);
  return RepairReport{*copy, *std::move(lines)};
}

}  // namespace torchlap::storage
