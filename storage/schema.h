// The schema as data: numbered steps, forward only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace torchlap::storage {

// Stands in the header of every torchlap database ("tlap"), so that no other program's file is
// taken for one.
inline constexpr int32_t kApplicationId = 0x746c6170;

// One step from schema `version - 1` to `version`. Runs in one transaction with its number.
struct Migration {
  uint32_t version = 0;
  std::string sql;
};

// All migrations, 1, 2, 3, ... without a gap. A released one is never edited. From 3 on they hold
// tables only; the views come after them (storage/views.h).
const std::vector<Migration>& Migrations();

extern const char kFirstSchema[];      // migrations/0001_first_schema.cc
extern const char kMeasurement[];      // migrations/0002_measurement.cc
extern const char kHomeOfLaunches[];   // migrations/0003_home_of_launches.cc
extern const char kQueueWithOwners[];  // migrations/0004_queue_with_owners.cc
extern const char kDeviceSummary[];    // migrations/0005_device_summary.cc
extern const char kHistory[];          // migrations/0006_history.cc
extern const char kSuites[];           // migrations/0007_suites.cc

}  // namespace torchlap::storage
