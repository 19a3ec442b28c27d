// SubmitJobs.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "proto/base/clock.h"
#include "server/rpc/job_admission.h"
#include "server/rpc/storage_health.h"
#include "server/run/device_fleet.h"
#include "server/run/event_hub.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. All arguments outlive it.
class SubmitJobs {
 public:
  SubmitJobs(storage::JobStore* jobs, run::DeviceFleet* fleet, run::EventHub* hub,
             const StorageHealth* storage, const Clock* clock,
             int64_t max_time_limit_ns = kAnyTimeLimit)
      : jobs_(jobs),
        fleet_(fleet),
        hub_(hub),
        storage_(storage),
        clock_(clock),
        max_time_limit_ns_(max_time_limit_ns) {}

  // From now on UNAVAILABLE. A retry of a request that was taken still gets its answer.
  void Refuse() { refusing_ = true; }

  // RESOURCE_EXHAUSTED: more than the limits allow, even were the queue empty.
  absl::Status CheckEverFits(const storage::Caller& caller,
                             const v1::SubmitJobsRequest& request) const;

  // FAILED_PRECONDITION: what would be stored is lost when the daemon ends (storage_health.h).
  // Admits every job (job_admission.h), stores them, wakes devices and watchers.
  absl::Status Answer(const storage::Caller& caller, const v1::SubmitJobsRequest& request,
                      v1::SubmitJobsResponse* response);

  // Whether Answer would take the request, as far as its content goes, and what would be stored of
  // it; nothing is. What is in the queue is not looked at.
  absl::StatusOr<std::vector<storage::NewJob>> Admissible(
      const storage::Caller& caller, const v1::SubmitJobsRequest& request) const;

 private:
  absl::Status CheckIsKept() const;
  absl::Status Check(const v1::SubmitJobsRequest& request) const;

  storage::JobStore* const jobs_;
  run::DeviceFleet* const fleet_;
  run::EventHub* const hub_;
  const StorageHealth* const storage_;
  const Clock* const clock_;
  const int64_t max_time_limit_ns_;
  std::atomic<bool> refusing_ = false;
};

}  // namespace torchlap::rpc
