// ListDevices and ListPresets: what can be asked for.
#pragma once

#include <absl/status/status.h>

#include "server/rpc/waiting.h"
#include "server/run/device_fleet.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class ListDevices {
 public:
  ListDevices(const run::DeviceFleet* fleet, const Waiting* waiting)
      : fleet_(fleet), waiting_(waiting) {}

  absl::Status Answer(const storage::Caller& caller, const v1::ListDevicesRequest& request,
                      v1::ListDevicesResponse* response) const;

 private:
  const run::DeviceFleet* const fleet_;
  const Waiting* const waiting_;
};

// Thread-safe.
class ListPresets {
 public:
  absl::Status Answer(const storage::Caller& caller, const v1::ListPresetsRequest& request,
                      v1::ListPresetsResponse* response) const;
};

}  // namespace torchlap::rpc
