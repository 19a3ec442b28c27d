// Whether a job may have a device that others use. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/host/foreign_work.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::run {

// How long a job with `--if-busy wait` does so.
inline constexpr int64_t kLongestBusyWaitNs = int64_t{3600} * 1'000'000'000;
// How long `--if-busy fail` leaves a job to another device of its class that is idle.
inline constexpr int64_t kTimeForAnotherNs = int64_t{4} * 1'000'000'000;
// Runs of a launch that lacked memory which others held: each was begun because there was room.
inline constexpr uint32_t kMostHeldRuns = 5;

// What displays and idle processes hold. As whose fault it is decides (storage/own_fault.h), so
// that no run fails for what did not let it wait.
bool IsIdleMemory(uint64_t held_bytes, uint64_t device_memory_bytes);

// Of a device's memory, what a run may come to have: all but what idle holders have, as more than
// that may be given back. `foreign_bytes`: what others hold while no worker of ours is there, if
// that is told. 0: no limit is known.
uint64_t RoomBytes(uint64_t device_memory_bytes, std::optional<uint64_t> foreign_bytes);

// Nobody computes, and what is held is no more than idle devices show.
bool IsQuiet(const host::ForeignWork& work, uint64_t device_memory_bytes);

// The most that others may hold when the launch begins: what the pass must hold has to fit beside
// it (what exceeds the device sets no bound), and, after runs that lacked what others held, what
// those lacked. `job` with its runs.
uint64_t MostForeignBytes(const v1::Job& job, uint32_t launch, uint64_t device_memory_bytes);

// `python3 (pid 4211, ann) computes on it`. Nothing: the device is not busy for such a job. That
// others hold memory which it does not need makes it none.
std::optional<std::string> WhyBusy(const host::ForeignWork& work, uint64_t most_foreign_bytes,
                                   uint64_t device_memory_bytes);

struct BusyVerdict {
  enum class Next { kGo, kWait, kRefuse };
  Next next = Next::kGo;
  std::string reason;  // one line; empty for kGo
};

// Of a job that found its device busy and has waited so long.
BusyVerdict JudgeBusy(v1::IfBusy if_busy, const std::string& why, int64_t waited_ns);

}  // namespace torchlap::run
