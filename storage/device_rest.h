// Whether a device has work, and since when it had none.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/database.h"

namespace torchlap::storage {

struct DeviceRest {
  // A run is under way there, or a launch waits that may run there.
  bool has_work = false;
  // When its newest run ended; nothing: none began since the time that was asked for.
  std::optional<int64_t> last_end_ns;
};

// Thread-safe. `device_keys`: of the launches that may run on the device. Runs that began before
// `since_ns` are not looked at, so that a device without runs costs no look at all others'.
absl::StatusOr<DeviceRest> RestOf(const Database& database, const std::string& device_uuid,
                                  const std::vector<std::string>& device_keys, int64_t since_ns);

}  // namespace torchlap::storage
