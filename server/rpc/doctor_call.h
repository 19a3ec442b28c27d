// Doctor: what is looked at, and how it is judged, is in doctor.h.
#pragma once

#include <absl/status/status.h>

#include <utility>

#include "proto/base/clock.h"
#include "server/rpc/doctor.h"
#include "server/rpc/storage_health.h"
#include "server/run/device_fleet.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. All that is pointed to outlives it.
class DoctorCall {
 public:
  // The devices of `question` are those of `fleet`, as they are when it is asked.
  DoctorCall(DoctorQuestion question, const run::DeviceFleet* fleet, const StorageHealth* storage,
             const storage::Database* database, const storage::RunStore* runs, const Clock* clock)
      : question_(std::move(question)),
        fleet_(fleet),
        storage_(storage),
        database_(database),
        runs_(runs),
        clock_(clock) {}

  // Says nothing of canaries while the database cannot be read. What they say is of the machine,
  // and in a private daemon everybody's. Waits for the driver to wake its devices, a second or so.
  absl::Status Answer(const storage::Caller& caller, const v1::DoctorRequest& request,
                      v1::DoctorResponse* response) const;

 private:
  const DoctorQuestion question_;
  const run::DeviceFleet* const fleet_;
  const StorageHealth* const storage_;
  const storage::Database* const database_;
  const storage::RunStore* const runs_;
  const Clock* const clock_;
};

}  // namespace torchlap::rpc
