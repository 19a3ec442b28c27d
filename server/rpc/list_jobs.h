// GetJob and ListJobs.
#pragma once

#include <absl/status/status.h>

#include "server/rpc/waiting.h"
#include "server/run/device_fleet.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class GetJob {
 public:
  GetJob(const storage::JobStore* jobs, const run::DeviceFleet* fleet, const Waiting* waiting)
      : jobs_(jobs), fleet_(fleet), waiting_(waiting) {}

  absl::Status Answer(const storage::Caller& caller, const v1::GetJobRequest& request,
                      v1::GetJobResponse* response) const;

 private:
  const storage::JobStore* const jobs_;
  const run::DeviceFleet* const fleet_;
  const Waiting* const waiting_;
};

// Thread-safe. The arguments outlive it.
class ListJobs {
 public:
  ListJobs(const storage::JobStore* jobs, const run::DeviceFleet* fleet, const Waiting* waiting)
      : jobs_(jobs), fleet_(fleet), waiting_(waiting) {}

  absl::Status Answer(const storage::Caller& caller, const v1::ListJobsRequest& request,
                      v1::ListJobsResponse* response) const;

 private:
  const storage::JobStore* const jobs_;
  const run::DeviceFleet* const fleet_;
  const Waiting* const waiting_;
};

}  // namespace torchlap::rpc
