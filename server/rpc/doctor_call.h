// Doctor: what is looked at, and how it is judged, is in doctor.h.
#pragma once

#include <absl/status/status.h>

#include <utility>

#include "server/rpc/doctor.h"
#include "server/rpc/storage_health.h"
#include "server/run/device_fleet.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. `fleet` and `storage` outlive it.
class DoctorCall {
 public:
  // The devices of `question` are those of `fleet`, as they are when it is asked.
  DoctorCall(DoctorQuestion question, const run::DeviceFleet* fleet, const StorageHealth* storage)
      : question_(std::move(question)), fleet_(fleet), storage_(storage) {}

  // Waits for the driver to wake its devices, a second or so.
  absl::Status Answer(const storage::Caller& caller, const v1::DoctorRequest& request,
                      v1::DoctorResponse* response) const;

 private:
  const DoctorQuestion question_;
  const run::DeviceFleet* const fleet_;
  const StorageHealth* const storage_;
};

}  // namespace torchlap::rpc
