// Rows of runs in the form in which they are sent, without a message in between.
#pragma once

#include <SQLiteCpp/Database.h>
#include <absl/status/status.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "storage/run_row.h"
#include "storage/sqlite_connection.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {

// Where each run goes, by run.id.
using RowsById = std::map<int64_t, std::string*>;

// Writes what LoadRun would return, serialized. An export has 100,000 rows of 150 values: to make,
// fill, measure, write and free their messages took two thirds of its time, and to begin a
// statement anew for each of them half of the rest. Not thread-safe. Throws SQLite::Exception.
class RunEncoder {
 public:
  explicit RunEncoder(SQLite::Database& database, RunParts parts = RunParts::kAll);

  // Appends each run to its row. One that cannot be read, as it, or what it refers to, is damaged
  // or missing, leaves its row empty.
  absl::Status Append(const RowsById& rows);

 private:
  void Encode(const Query& row, std::string* bytes);
  void AppendSpec(const Query& row);
  void AppendColumns(const Query& row);
  // Puts each message into the one around it, and the run into `bytes`.
  void Close(std::string* bytes);

  SQLite::Database& database_;
  const RunParts parts_;
  // By node of ScalarColumnTree(); kept, so that they need no memory anew.
  std::vector<std::string> messages_;
  // Of what is sent as it is stored, and must be what it is sent as.
  v1::Run scratch_;
  // The plan that was found to be one last: the jobs of a sweep have the same.
  std::string checked_plan_;
};

}  // namespace torchlap::storage
