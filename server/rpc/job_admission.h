// From a job as it is asked for to one that can be stored: defaults filled, preset resolved,
// everything checked. Pure.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "server/host/devices.h"
#include "storage/job_store.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::rpc {

// No limit beside that of the contract.
constexpr int64_t kAnyTimeLimit = std::numeric_limits<int64_t>::max();

// Limits and defaults of numbers: the `range` options of the contract; other defaults:
// server/measure/README.md. INVALID_ARGUMENT names field, value and allowed range;
// NOT_FOUND a device or class that `devices` does not have; PERMISSION_DENIED a priority that only
// an admin may ask for. Who is no admin gets a run of `max_time_limit_ns` at most.
absl::StatusOr<storage::NewJob> Admit(const v1::JobSpec& asked,
                                      const std::vector<host::HostDevice>& devices,
                                      const storage::Caller& caller,
                                      int64_t max_time_limit_ns = kAnyTimeLimit);

// How many jobs one request has, before anything is made of it. INVALID_ARGUMENT: none, or more
// than 10,000.
absl::Status CheckJobCount(int jobs);

// Each in its order; the error is that of the first that is not admitted.
absl::StatusOr<std::vector<storage::NewJob>> AdmitAll(
    const google::protobuf::RepeatedPtrField<v1::JobSpec>& asked,
    const std::vector<host::HostDevice>& devices, const storage::Caller& caller,
    int64_t max_time_limit_ns = kAnyTimeLimit);

// Where a job for this device may run (storage::NewJob::device_key); nothing: there is none.
std::optional<std::string> DeviceKeyOf(const std::string& asked,
                                       const std::vector<host::HostDevice>& devices);

}  // namespace torchlap::rpc
