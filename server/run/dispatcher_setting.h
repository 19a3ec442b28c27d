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
};

}  // namespace torchlap::run
