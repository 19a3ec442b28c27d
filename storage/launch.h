// The launches of one job. State 1: it waits, 2: it runs, 3: it was set aside.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>

namespace torchlap::storage {

// Launches that can never run are not dropped, but take no part in the queue any more: what was
// damaged can still be looked at.
inline constexpr int kLaunchSetAside = 3;

// One of them, whatever its state.
void SetAsideLaunch(SQLite::Database& database, uint64_t job_id, uint32_t launch);

// Those that wait. Returns how many.
int SetAsideQueuedLaunches(SQLite::Database& database, uint64_t job_id);

void DropQueuedLaunches(SQLite::Database& database, uint64_t job_id);

void ResizeQueuedLaunches(SQLite::Database& database, uint64_t job_id, uint32_t batch_size,
                          uint32_t context_length);

}  // namespace torchlap::storage
