// CancelJobs.
#pragma once

#include <absl/status/status.h>

#include "proto/base/clock.h"
#include "server/run/device_fleet.h"
#include "server/run/event_hub.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. All arguments outlive it.
class CancelJobs {
 public:
  CancelJobs(storage::JobStore* jobs, run::DeviceFleet* fleet, run::EventHub* hub,
             const Clock* clock)
      : jobs_(jobs), fleet_(fleet), hub_(hub), clock_(clock) {}

  // DATA_LOSS: none of the chosen jobs can be read. Wakes devices, which end their workers, and
  // watchers.
  absl::Status Answer(const storage::Caller& caller, const v1::CancelJobsRequest& request,
                      v1::CancelJobsResponse* response);

 private:
  storage::JobStore* const jobs_;
  run::DeviceFleet* const fleet_;
  run::EventHub* const hub_;
  const Clock* const clock_;
};

}  // namespace torchlap::rpc
