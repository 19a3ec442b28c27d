#include "storage/missing_row.h"

#include <absl/strings/str_cat.h>

#include <initializer_list>

#include "storage/row_damage.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// A column of a row that holds the number of a row of another table.
struct Reference {
  int column;
  const char* table;
};

bool IsThere(SQLite::Database& database, const std::string& table, int64_t id) {
  return SelectInt(database, absl::StrCat("SELECT 1 FROM ", table, " WHERE id = ?"), id)
      .has_value();
}

// The first of the references that leads nowhere; where none does, the row is there after all, and
// the view that reads it is not this program's.
absl::Status FirstMissing(SQLite::Database& database, const Query& row,
                          std::initializer_list<Reference> references,
                          const std::string& referrer) {
  for (const Reference& reference : references) {
    const int64_t id = row.Int(reference.column);
    if (!IsThere(database, reference.table, id)) {
      return MissingRow(reference.table, absl::StrCat(id), referrer);
    }
  }
  return RowDamaged(absl::StrCat("the database is damaged: ", referrer,
                                 " is there and cannot be read with what it refers to"));
}

// Number, job, owner, device, workload, sweep.
absl::Status WhyNoRunOf(SQLite::Database& database, const Query& row) {
  const std::string run = absl::StrCat("run ", row.Int(1), ".", row.Int(0));
  return FirstMissing(database, row,
                      {{1, "job"}, {2, "principal"}, {3, "device"}, {4, "workload"}, {5, "sweep"}},
                      run);
}

constexpr char kReferencesOfRun[] =
    "SELECT number, job_id, owner_id, device_id, asked_workload_id, "
    "(SELECT sweep_id FROM job WHERE job.id = run.job_id) FROM run WHERE ";

}  // namespace

absl::Status MissingRow(const std::string& table, const std::string& key,
                        const std::string& referrer) {
  return RowDamaged(absl::StrCat(
      "the database is damaged: table ", table, " has no row ", key, ", which ", referrer,
      " refers to; torchlapd --check lists what is missing, torchlapd --repair keeps the rest"));
}

absl::Status WhyNoJob(SQLite::Database& database, uint64_t job_id) {
  Query row(database, "SELECT sweep_id, owner_id, workload_id FROM job WHERE id = ?", job_id);
  if (!row.Step()) return absl::NotFoundError(absl::StrCat("there is no job ", job_id));
  return FirstMissing(database, row, {{0, "sweep"}, {1, "principal"}, {2, "workload"}},
                      absl::StrCat("job ", job_id));
}

absl::Status WhyNoRun(SQLite::Database& database, uint64_t job_id, uint32_t number) {
  static const std::string sql = absl::StrCat(kReferencesOfRun, "job_id = ? AND number = ?");
  Query row(database, sql, job_id, number);
  if (row.Step()) return WhyNoRunOf(database, row);
  return absl::NotFoundError(absl::StrCat("there is no run ", job_id, ".", number));
}

absl::Status WhyNoRun(SQLite::Database& database, int64_t id) {
  static const std::string sql = absl::StrCat(kReferencesOfRun, "id = ?");
  Query row(database, sql, id);
  if (row.Step()) return WhyNoRunOf(database, row);
  return absl::NotFoundError(absl::StrCat("table run has no row ", id));
}

absl::Status MustBeThere(const absl::Status& status, const std::string& table,
                         const std::string& key, const std::string& referrer) {
  return absl::IsNotFound(status) ? MissingRow(table, key, referrer) : status;
}

}  // namespace torchlap::storage
