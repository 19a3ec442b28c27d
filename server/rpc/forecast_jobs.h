// Answers ForecastJobs.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/host/devices.h"
#include "server/rpc/job_admission.h"
#include "server/rpc/job_forecast.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// What the daemon knows now of the environment that a run on the device would have: all but what
// only a worker tells (server/measure/environment_in_force.h). Thread-safe. May look at the device.
using ToldEnvironment = std::function<v1::Environment(const host::HostDevice& device)>;

// What others hold now of the device's memory, where no worker of ours is there; else nothing.
// Thread-safe. May look at the device.
using ToldForeignBytes = std::function<std::optional<uint64_t>(const host::HostDevice& device)>;

// Thread-safe. The arguments outlive it.
class ForecastJobs {
 public:
  // Empty `told`: nothing is known of environments, and nothing is reused. Empty `foreign_bytes`:
  // jobs are thought to have all of a device.
  ForecastJobs(const storage::Database* database, const storage::JobStore* jobs,
               const std::vector<host::HostDevice>* devices, ToldEnvironment told,
               int64_t max_time_limit_ns = kAnyTimeLimit, ToldForeignBytes foreign_bytes = {})
      : database_(*database),
        jobs_(*jobs),
        devices_(*devices),
        told_(std::move(told)),
        max_time_limit_ns_(max_time_limit_ns),
        foreign_bytes_(std::move(foreign_bytes)) {}

  // INVALID_ARGUMENT: reuse_since_ns is negative; else the errors of admission (job_admission.h).
  // Of a private daemon's history the caller's own runs alone. Some 100 workloads are asked for in
  // one transaction.
  absl::Status Answer(const storage::Caller& caller, const v1::ForecastJobsRequest& request,
                      v1::ForecastJobsResponse* response) const;

 private:
  absl::StatusOr<DevicePast> PastOf(const host::HostDevice& device,
                                    const std::string& only_owner) const;
  absl::StatusOr<std::optional<v1::Environment>> InForce(const host::HostDevice& device) const;
  absl::StatusOr<std::vector<ForecastJob>> ForecastAll(const std::vector<storage::NewJob>& jobs,
                                                       const std::string& only_owner,
                                                       int64_t reuse_since_ns) const;
  absl::Status AddChanges(std::vector<ForecastJob>* jobs) const;

  const storage::Database& database_;
  const storage::JobStore& jobs_;
  const std::vector<host::HostDevice>& devices_;
  const ToldEnvironment told_;
  const int64_t max_time_limit_ns_;
  const ToldForeignBytes foreign_bytes_;
};

}  // namespace torchlap::rpc
