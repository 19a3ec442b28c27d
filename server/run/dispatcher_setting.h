// What all dispatchers share.
#pragma once

#include <chrono>

#include "proto/base/clock.h"
#include "server/run/event_hub.h"
#include "storage/job_store.h"
#include "storage/run_store.h"

namespace torchlap::run {

// Everything that is pointed to outlives them.
struct DispatcherSetting {
  const Clock* clock = &SystemClock();
  storage::JobStore* jobs = nullptr;
  const storage::RunStore* runs = nullptr;
  EventHub* hub = nullptr;
  // Between TERM and KILL of a worker.
  std::chrono::milliseconds grace{3000};
  // How long one that uses the device by a claim that may lapse is given way, until he is looked at
  // again.
  std::chrono::seconds claim_pace{30};
};

}  // namespace torchlap::run
