#include "server/run/busy_wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "proto/idle_memory.h"
#include "server/measure/workload_kind.h"
#include "server/run/memory_fault.h"
#include "storage/own_fault.h"

namespace torchlap::run {

bool IsIdleMemory(uint64_t held_bytes, uint64_t device_memory_bytes) {
  std::optional<uint64_t> device_bytes;
  if (device_memory_bytes > 0) device_bytes = device_memory_bytes;
  return held_bytes <= MostIdleBytes(device_bytes);
}

uint64_t RoomBytes(uint64_t device_memory_bytes, std::optional<uint64_t> foreign_bytes) {
  const uint64_t held = foreign_bytes.value_or(0);
  if (!IsIdleMemory(held, device_memory_bytes)) return device_memory_bytes;
  return device_memory_bytes - std::min(held, device_memory_bytes);
}

bool IsQuiet(const host::ForeignWork& work, uint64_t device_memory_bytes) {
  return work.computing.empty() && IsIdleMemory(work.held_bytes.value_or(0), device_memory_bytes);
}

uint64_t MostForeignBytes(const v1::Job& job, uint32_t launch, uint64_t device_memory_bytes) {
  uint64_t most = std::numeric_limits<uint64_t>::max();
  // What exceeds the device is ruled out by arithmetic: no waiting would help.
  const uint64_t resident = measure::ResidentBytes(job.spec().workload());
  if (resident <= device_memory_bytes && device_memory_bytes > 0) {
    most = device_memory_bytes - resident;
  }
  for (const v1::Run& run : job.runs()) {
    const bool lacked =
        run.outcome() == v1::OUTCOME_OUT_OF_MEMORY && !storage::IsOwnFault(run.failure());
    if (run.launch() == launch && lacked) most = std::min(most, RoomForOthers(run.failure()));
  }
  return most;
}

std::optional<std::string> WhyBusy(const host::ForeignWork& work, uint64_t most_foreign_bytes,
                                   uint64_t device_memory_bytes) {
  if (!work.computing.empty()) {
    return fmt::format("{} computes on it", host::Called(work.computing.front()));
  }
  const uint64_t held = work.held_bytes.value_or(0);
  if (held <= most_foreign_bytes || IsIdleMemory(held, device_memory_bytes)) return std::nullopt;
  const std::string who = HoldersOf(work.holding);
  return fmt::format("memory that the job needs is held by {}", who.empty() ? "others" : who);
}

BusyVerdict JudgeBusy(v1::IfBusy if_busy, const std::string& why, int64_t waited_ns) {
  using Next = BusyVerdict::Next;
  if (if_busy == v1::IF_BUSY_RUN) return {};
  if (if_busy == v1::IF_BUSY_FAIL) {
    return {waited_ns < kTimeForAnotherNs ? Next::kWait : Next::kRefuse, why};
  }
  if (waited_ns < kLongestBusyWaitNs) return {Next::kWait, why};
  return {Next::kRefuse, why + "; it waited an hour for that"};
}

}  // namespace torchlap::run
