// ListDevices and ListPresets: what can be asked for.
#pragma once

#include <absl/status/status.h>

#include "server/run/device_fleet.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class ListDevices {
 public:
  ListDevices(const storage::JobStore* jobs, const run::DeviceFleet* fleet)
      : jobs_(jobs), fleet_(fleet) {}

  absl::Status Answer(const storage::Caller& caller, const v1::ListDevicesRequest& request,
                      v1::ListDevicesResponse* response) const;

 private:
  const storage::JobStore* const jobs_;
  const run::DeviceFleet* const fleet_;
};

// Thread-safe.
class ListPresets {
 public:
  absl::Status Answer(const storage::Caller& caller, const v1::ListPresetsRequest& request,
                      v1::ListPresetsResponse* response) const;
};

}  // namespace torchlap::rpc
