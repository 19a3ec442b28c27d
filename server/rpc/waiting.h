// Why queued jobs wait, for answers that show jobs.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <vector>

#include "server/run/device_fleet.h"
#include "storage/job_store.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::rpc {

// Jobs beyond this place in the queue are told that they are behind this many.
inline constexpr uint32_t kQueueLimit = 100000;

// Says of each queued job in `shown` why it waits.
absl::Status ExplainWaiting(const storage::JobStore& jobs, const run::DeviceFleet& fleet,
                            std::vector<v1::Job>* shown);

}  // namespace torchlap::rpc
