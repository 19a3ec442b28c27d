#include "storage/device_use.h"

#include <algorithm>
#include <cmath>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

constexpr double kHalfLifeNs = 24.0 * 3600 * 1e9;

}  // namespace

double RecentDeviceUse(SQLite::Database& database, int64_t owner_id, int64_t now_ns) {
  Query use(database, "SELECT decayed_ns, updated_at_ns FROM device_use WHERE owner_id = ?",
            owner_id);
  if (!use.Step()) return 0;
  // The host's clock may have been set back.
  const auto age_ns = static_cast<double>(std::max<int64_t>(0, now_ns - use.Int(1)));
  return use.Real(0) * std::exp2(-age_ns / kHalfLifeNs);
}

void AddDeviceUse(SQLite::Database& database, int64_t owner_id, int64_t duration_ns,
                  int64_t now_ns) {
  const double decayed_ns = RecentDeviceUse(database, owner_id, now_ns);
  Execute(database,
          "INSERT INTO device_use (owner_id, decayed_ns, updated_at_ns) VALUES (?, ?, ?) "
          "ON CONFLICT DO UPDATE SET decayed_ns = excluded.decayed_ns, "
          "updated_at_ns = excluded.updated_at_ns",
          owner_id, decayed_ns + static_cast<double>(duration_ns), now_ns);
}

}  // namespace torchlap::storage
