#include "server/rpc/list_devices.h"

#include <vector>

#include "server/measure/presets.h"
#include "server/rpc/waiting.h"
#include "server/run/wait_reasons.h"

namespace torchlap::rpc {

absl::Status ListDevices::Answer(const storage::Caller& /*caller*/,
                                 const v1::ListDevicesRequest& /*request*/,
                                 v1::ListDevicesResponse* response) const {
  const auto queue = jobs_->Queue(kQueueLimit);
  if (!queue.ok()) return queue.status();
  const std::vector<run::DeviceStatus> devices = fleet_->Describe();
  for (size_t i = 0; i < devices.size(); ++i) {
    *response->add_devices() = devices[i].device;
    response->mutable_devices()->rbegin()->set_queued_jobs(run::QueuedFor(devices, i, *queue));
  }
  return absl::OkStatus();
}

absl::Status ListPresets::Answer(const storage::Caller& /*caller*/,
                                 const v1::ListPresetsRequest& /*request*/,
                                 v1::ListPresetsResponse* response) const {
  for (const v1::Preset& preset : measure::Presets()) *response->add_presets() = preset;
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
