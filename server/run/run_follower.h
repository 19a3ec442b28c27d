// Follows one worker from its first word to its proof of death.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "proto/base/clock.h"
#include "server/run/run_record.h"
#include "server/run/wake_up.h"
#include "server/run/worker.h"

namespace torchlap::run {

// Functions that are not given are not called.
struct FollowOrders {
  const Clock* clock = &SystemClock();
  // Of the monotonic clock; the run is TIMED_OUT after it.
  int64_t deadline_ns = Clock::kNever;
  // Between TERM and KILL, and, 10 s at least, between the result and the end of the process.
  std::chrono::milliseconds grace{3000};
  // Notified when `stop_cause` may have an answer.
  WakeUp* wake_up = nullptr;
  // kNone: go on. An error: not known now, it is asked again a second later.
  std::function<absl::StatusOr<StopCause>()> stop_cause;
  // Called after events came.
  std::function<void()> progressed;
  // When `sample` is to be called next; nothing: not any more.
  std::function<std::optional<int64_t>()> next_sample_ns;
  std::function<void()> sample;
  // How many processes the kernel has killed for memory; nothing: not told.
  std::function<std::optional<uint64_t>()> memory_kills;
};

// Sends the request and feeds `record` until the process is gone. Ends it (TERM, grace, KILL, to
// the whole group) when it breaks the protocol, passes the deadline, is to stop, or lingers after
// its result. Sleeps on the clock meanwhile: it wakes when there is something to do, and a worker
// that cannot be killed at once costs nothing.
WorkerEnd FollowWorker(const v1::WorkerRequest& request, const FollowOrders& orders, Worker* worker,
                       RunRecord* record);

}  // namespace torchlap::run
