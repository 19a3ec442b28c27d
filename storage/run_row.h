// How a v1::Run lies in the tables. Names and places come from the `column` options of the contract
// (proto/columns.h): a column of a table that is named like a run's column holds that column.
#pragma once

#include <SQLiteCpp/Database.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/column_tree.h"
#include "proto/columns.h"
#include "storage/run_rows.h"
#include "storage/sqlite_connection.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {

// The columns of a run that a table has, in the contract's order. For writing.
class RunColumnSet {
 public:
  // Without the columns named in `but`.
  RunColumnSet(SQLite::Database& database, const std::string& table,
               const std::vector<std::string>& but = {});

  std::string Names() const;        // `a, b`
  std::string Marks() const;        // `?, ?`
  std::string Assignments() const;  // `a = ?, b = ?`
  // Binds the next parameters of `query`: enums as numbers, what is unknown as NULL.
  void Bind(const v1::Run& run, Query& query) const;

 private:
  std::vector<const RunColumn*> columns_;
};

// All columns but the labels, which are no column of run_row's tables.
const std::vector<const RunColumn*>& ScalarColumns();
// Where each of them lies in a run: found out once, as exports have 100,000 rows.
const ColumnTree& ScalarColumnTree();

// What of a run is read. Its columns always are.
enum class RunParts { kAll, kWithoutAssessment };

// Rows of run_row by run.id, one parameter: an IdList. What a run has that is no column, then
// ScalarColumns(). In no order that is promised.
const std::string& SelectRunsById(RunParts parts = RunParts::kAll);
enum RunPlaceInRow {
  kRunNumber,
  kRunBootId,
  kRunSpec,
  kRunAssessment,
  kRunCalibration,
  kRunWorkloadKind,
  kRunJobId,
  kRunRowId,
  kFirstRunColumn
};

struct RunKey {
  uint64_t job_id = 0;
  uint32_t number = 0;
};

// `17.2`; nothing if it is not of that form, or either number is 0.
std::optional<RunKey> ParseRunId(const std::string& run_id);

// Complete rows, also of runs that are not finished. DATA_LOSS: a row that the run refers to is
// missing. NOT_FOUND: there is no such run.
absl::StatusOr<v1::Run> LoadRun(SQLite::Database& database, const RunKey& key);
// By run.id, which the database gave: DATA_LOSS where it is not there, too.
absl::StatusOr<v1::Run> LoadRun(SQLite::Database& database, int64_t id);
// In the order of the ids. Straight into what is sent. Rows that cannot be read, as they, or what
// they refer to, are damaged or missing, are left out and counted.
absl::Status AppendRunsById(SQLite::Database& database, const std::vector<int64_t>& ids,
                            RunRows* rows, uint64_t* unreadable);
// What stands for a job that has no finished run: what it asks for, its state, and in
// failure.detail why it ended. Without run id and outcome. Errors as LoadJob.
absl::StatusOr<v1::Run> WithoutRun(SQLite::Database& database, uint64_t job_id);
// By number.
absl::StatusOr<std::vector<v1::Run>> LoadRunsOfJob(SQLite::Database& database, uint64_t job_id);
// DATA_LOSS: one of them cannot be read, as a row that it refers to is missing. Costs no reading.
absl::Status CheckRunsOfJob(SQLite::Database& database, uint64_t job_id);

// What was known of a run when it began.
v1::Run AsItBegan(const v1::Run& run);

}  // namespace torchlap::storage
