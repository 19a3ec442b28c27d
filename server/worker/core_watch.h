// What else happened on the worker's cores while it measured, step by step.
#pragma once

#include <cstdint>
#include <optional>

#include "server/worker/core_counters.h"
#include "server/worker/neighbour.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Of the cores that the process may run on when this is made. All of it happens between steps,
// outside their clocks: 10 us a step, and milliseconds where there is a neighbour to be found. Not
// thread-safe.
class CoreWatch {
 public:
  CoreWatch();

  // What happened since the last call; nothing is known at the first one. `now_ns`:
  // CLOCK_MONOTONIC.
  CoreTimes Next(int64_t now_ns);

  // Belongs behind the first step, which starts threads.
  void FindThreads() { counters_.FindThreads(); }

  // Belongs behind the last step: who computed most, if others did.
  std::optional<v1::Neighbour> FindNeighbour() { return neighbours_.Find(); }

 private:
  CoreCounters counters_;
  NeighbourWatch neighbours_;
  CoreTimes last_;
};

}  // namespace torchlap::worker
