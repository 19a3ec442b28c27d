// Asks for the canaries of a daemon's devices when they are due (canary.h).
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "proto/base/clock.h"
#include "server/host/configuration.h"
#include "server/run/canary.h"
#include "server/run/device_fleet.h"
#include "server/run/event_hub.h"
#include "server/run/wake_up.h"
#include "storage/job_store.h"
#include "storage/run_store.h"

namespace torchlap::run {

// Everything that is pointed to outlives the watch.
struct CanarySetting {
  const Clock* clock = &SystemClock();
  host::CanaryPlan plan;
  storage::JobStore* jobs = nullptr;
  const storage::RunStore* runs = nullptr;
  DeviceFleet* fleet = nullptr;
  EventHub* hub = nullptr;
};

// One thread, which sleeps on the clock. Its jobs go through the queue like those of users, who
// come first; one that has begun is not ended for them, as it is over in seconds. No two devices
// are asked within half a minute: their canaries would disturb each other.
class CanaryWatch {
 public:
  // Begins at once.
  explicit CanaryWatch(const CanarySetting& setting);
  // Waits for the thread. Jobs that were asked for stay in the queue.
  ~CanaryWatch();
  CanaryWatch(const CanaryWatch&) = delete;
  CanaryWatch& operator=(const CanaryWatch&) = delete;

 private:
  void Run();
  // Both return when to look again.
  int64_t LookAtAll();
  int64_t LookLater(const absl::Status& why);
  absl::StatusOr<CanaryVerdict> LookAt(const DeviceStatus& status,
                                       const std::vector<DeviceStatus>& all) const;
  absl::Status Ask(const host::HostDevice& device);

  const CanarySetting setting_;
  WakeUp wake_up_;
  std::atomic<bool> stopping_ = false;

  // Used by the thread alone.
  std::map<std::string, int64_t> asked_ns_;  // by UUID
  std::string problem_;                      // as it was last said

  std::jthread thread_;
};

}  // namespace torchlap::run
