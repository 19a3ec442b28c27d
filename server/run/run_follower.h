// Follows one worker from its first word to its proof of death.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "server/run/run_record.h"
#include "server/run/wake_up.h"
#include "server/run/worker_process.h"

namespace torchlap::run {

struct FollowOrders {
  // CLOCK_MONOTONIC; the run is TIMED_OUT after it.
  int64_t deadline_ns = 0;
  // Between TERM and KILL, and between the result and the end of the process.
  std::chrono::milliseconds grace{3000};
  // Notified when `stop_cause` may have an answer.
  WakeUp* wake_up = nullptr;
  // kNone: go on.
  std::function<StopCause()> stop_cause;
  // Called after events came.
  std::function<void()> progressed;
  // When `sample` is to be called next; nothing: not any more.
  std::function<std::optional<int64_t>()> next_sample_ns;
  std::function<void()> sample;
};

// Sends the request and feeds `record` until the process is gone. Ends it (TERM, grace, KILL, to
// the whole group) when it breaks the protocol, passes the deadline, is to stop, or lingers after
// its result. Sleeps in poll(2) meanwhile.
WorkerEnd FollowWorker(const v1::WorkerRequest& request, const FollowOrders& orders,
                       WorkerProcess* worker, RunRecord* record);

}  // namespace torchlap::run
