#include "storage/device_rest.h"

#include "storage/sqlite_connection.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {
namespace {

bool IsRunning(SQLite::Database& database, const std::string& device_uuid) {
  return SelectInt(database,
                   "SELECT 1 FROM run INDEXED BY run_unfinished WHERE outcome IS NULL AND "
                   "device_id IN (SELECT id FROM device WHERE uuid = ?) LIMIT 1",
                   device_uuid)
      .has_value();
}

bool IsWaitedFor(SQLite::Database& database, const std::vector<std::string>& device_keys) {
  for (const std::string& key : device_keys) {
    const auto waiting = SelectInt(database,
                                   "SELECT 1 FROM launch INDEXED BY launch_heads WHERE state = 1 "
                                   "AND device_key = ? LIMIT 1",
                                   key);
    if (waiting) return true;
  }
  return false;
}

// A device runs one after the other: the newest to begin is the last to end. A canary is run
// because the device rests: where it ended that rest, what waits for a longer one would never come.
std::optional<int64_t> LastEnd(SQLite::Database& database, const std::string& device_uuid,
                               int64_t since_ns) {
  return SelectInt(database,
                   "SELECT started_at_ns + ifnull(duration_ns, 0) FROM run INDEXED BY run_by_start "
                   "WHERE outcome IS NOT NULL AND started_at_ns >= ? AND purpose IS NOT ? "
                   "AND device_id IN (SELECT id FROM device WHERE uuid = ?) "
                   "ORDER BY started_at_ns DESC LIMIT 1",
                   since_ns, v1::PURPOSE_CANARY, device_uuid);
}

}  // namespace

absl::StatusOr<DeviceRest> RestOf(const Database& database, const std::string& device_uuid,
                                  const std::vector<std::string>& device_keys, int64_t since_ns) {
  DeviceRest rest;
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    rest.has_work = IsRunning(connection, device_uuid) || IsWaitedFor(connection, device_keys);
    rest.last_end_ns = LastEnd(connection, device_uuid, since_ns);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return rest;
}

}  // namespace torchlap::storage
