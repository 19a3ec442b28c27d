// The queued launches of one job.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>

namespace torchlap::storage {

void DropQueuedLaunches(SQLite::Database& database, uint64_t job_id);

void ResizeQueuedLaunches(SQLite::Database& database, uint64_t job_id, uint32_t batch_size,
                          uint32_t context_length);

}  // namespace torchlap::storage
