#include "server/rpc/storage_health.h"

#include <fmt/format.h>

namespace torchlap::rpc {

std::string StorageHealth::Lost() const { return files_ == nullptr ? "" : files_->Problem(); }

std::string StorageHealth::NotStored() const {
  std::string queue_problem;
  for (const run::DeviceStatus& device : fleet_->Describe()) {
    if (device.trouble.why.empty()) continue;
    if (device.trouble.unstored_job_id != 0) {
      return fmt::format("run {} has ended and is not stored yet: {}", device.device.run_id(),
                         device.trouble.why);
    }
    queue_problem =
        fmt::format("{} cannot take its next job: {}", device.device.name(), device.trouble.why);
  }
  return queue_problem;
}

std::string StorageHealth::Problem() const {
  const std::string lost = Lost();
  return lost.empty() ? NotStored() : lost;
}

}  // namespace torchlap::rpc
