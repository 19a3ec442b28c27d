// Device time that an owner had lately: each nanosecond counts half after a day.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>

namespace torchlap::storage {

// As of `now_ns`, in ns.
double RecentDeviceUse(SQLite::Database& database, int64_t owner_id, int64_t now_ns);

void AddDeviceUse(SQLite::Database& database, int64_t owner_id, int64_t duration_ns,
                  int64_t now_ns);

}  // namespace torchlap::storage
