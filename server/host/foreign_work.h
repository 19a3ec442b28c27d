// What others do on a GPU while no worker of ours is there.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "server/host/device_processes.h"
#include "server/host/nvml_library.h"

namespace torchlap::host {

struct ForeignProcess {
  pid_t pid = 0;  // 0: it cannot be seen from this pid namespace
  ProcessName who;
  std::optional<uint64_t> used_bytes;  // of the device's memory; unset: the driver does not say
  double sm_ratio = 0;                 // of those that compute
};

struct ForeignWork {
  // Kept the device busy within the last two seconds; the busiest first. A desktop is not among
  // them: what only draws is always there.
  std::vector<ForeignProcess> computing;
  // Hold memory; most first.
  std::vector<ForeignProcess> holding;
  // All that they hold. Unset: the driver does not say.
  std::optional<uint64_t> held_bytes;
};

// Asks the driver about the last two seconds, in which it tells one entry a process
// (NvmlProcessUse): one above a twentieth of the multiprocessors, of a process that is still there,
// makes it one that computes. A device that does not tell who is busy is believed for how busy it
// is, if anybody is there. So is one in a pid namespace that is not the host's, if memory is in use
// that nobody listed holds: newer drivers hide the processes of other namespaces. `wall_ns`: now.
// `last_worker` of ours does not count: the driver forgets a process a moment after its end; 0:
// none. Nothing: the driver does not answer. Thread-safe.
std::optional<ForeignWork> ForeignWorkOn(const NvmlLibrary& nvml, const std::string& uuid,
                                         int64_t wall_ns, pid_t last_worker,
                                         const std::filesystem::path& root = "/");

// How far back LastWorkOn() looks: as far as the driver remembers.
inline constexpr int64_t kRememberedWorkNs = 10'000'000'000;

// How long ago others kept the device busy last, by the driver's entries and the same share. Who
// has ended meanwhile is not counted, as drivers tell of processes that never were. Nothing: they
// did not within kRememberedWorkNs, or the driver does not say. `wall_ns`, `last_worker` as above.
// Thread-safe.
std::optional<int64_t> LastWorkOn(const NvmlLibrary& nvml, const std::string& uuid, int64_t wall_ns,
                                  pid_t last_worker, const std::filesystem::path& root = "/");

// `python3 (pid 4211, ann)`; `pid 4211` where no more is known; `somebody outside of this
// container` where it cannot be seen.
std::string Called(const ForeignProcess& process);

}  // namespace torchlap::host
