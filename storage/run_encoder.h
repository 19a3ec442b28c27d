// Rows of runs in the form in which they are sent, without a message in between.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <string>
#include <vector>

#include "proto/column_tree.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {

// Writes what LoadRun would return, serialized. An export has 100,000 rows of 150 values: to make,
// fill, measure, write and free their messages took two thirds of its time. For one read
// transaction; statements stay in use until its end. Not thread-safe. Throws SQLite::Exception.
class RunEncoder {
 public:
  explicit RunEncoder(SQLite::Database& database);

  // Appends the run to `bytes`. False: there is none with this run.id.
  bool Append(int64_t id, std::string* bytes);

 private:
  void AppendColumns();
  void AppendSpec();
  void AppendLabels(uint64_t job_id);
  // Puts each message into the one around it, and the run into `bytes`.
  void Close(std::string* bytes);

  Query row_;
  Query labels_;
  std::vector<std::string>
      messages_;  // by node of the tree; kept, so that they need no memory anew
};

}  // namespace torchlap::storage
