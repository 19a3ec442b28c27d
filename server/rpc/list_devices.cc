#include "server/rpc/list_devices.h"

#include <utility>
#include <vector>

#include "server/measure/presets.h"
#include "server/run/wait_reasons.h"

namespace torchlap::rpc {

absl::Status ListDevices::Answer(const storage::Caller& /*caller*/,
                                 const v1::ListDevicesRequest& /*request*/,
                                 v1::ListDevicesResponse* response) const {
  std::vector<run::DeviceStatus> devices = fleet_->Describe();
  if (absl::Status status = waiting_->CountQueued(&devices); !status.ok()) return status;
  for (run::DeviceStatus& status : devices) {
    *response->add_devices() = std::move(status.device);
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
