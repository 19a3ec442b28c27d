#include "server/worker/core_watch.h"

#include <unistd.h>

#include <utility>

namespace torchlap::worker {

CoreWatch::CoreWatch()
    : counters_(AllowedCores()), neighbours_(AllowedCores(), ::getpid(), SinceBootNs()) {}

CoreTimes CoreWatch::Next(int64_t now_ns) {
  const CoreTimes now = counters_.Read(now_ns);
  if (now.foreign_cpu_ns) neighbours_.Look(now_ns, *now.foreign_cpu_ns);
  return Between(std::exchange(last_, now), now);
}

}  // namespace torchlap::worker
