#include "storage/job_event.h"

#include <optional>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {

void RecordEvent(SQLite::Database& database, const JobChange& change) {
  std::optional<uint32_t> number;
  std::optional<bool> began;
  if (change.run_number > 0) {
    number = change.run_number;
    began = change.run_began;
  }
  Execute(database,
          "INSERT INTO job_event (job_id, at_ns, state, number, run_began) VALUES (?, ?, ?, ?, ?)",
          change.job_id, change.at_ns, change.state, number, began);
}

}  // namespace torchlap::storage
