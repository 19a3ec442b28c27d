// Who is on a GPU, and how much of its memory they hold.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "server/host/nvml_library.h"

namespace torchlap::host {

// `root` stands before /proc and /dev in all of this, so that tests read a made-up tree.

// What the kernel tells of a process. Empty and 0: it is gone, or cannot be seen from here.
struct ProcessName {
  std::string name;  // as in /proc/PID/comm, by Visible(): it is the process's own choice
  std::string user;  // account, `uid:1000` where it has no name
  pid_t parent = 0;
  std::optional<uid_t> uid = {};  // who started it; unset: as the others
};

// Nothing but empty fields where the driver's pids are not this process's: inside a pid namespace
// (a container) the driver may give the host's numbers, which would name the wrong process.
ProcessName NameOf(pid_t pid, const std::filesystem::path& root = "/");

// Whether pids of the driver can be compared with pids of this process: only in the host's own pid
// namespace.
bool SeesHostPids(const std::filesystem::path& root = "/");

struct GpuProcess {
  pid_t pid = 0;
  ProcessName who;
  std::optional<uint64_t> used_bytes;  // unset: the driver does not say
  bool computes = false;               // has a CUDA context
  bool draws = false;                  // has a graphics context: a desktop, a browser
};

// By pid; a process that computes and draws is one entry. Errors are NvmlLibrary's; where only one
// kind can be listed, the other is left out. Thread-safe.
absl::StatusOr<std::vector<GpuProcess>> ProcessesOn(const NvmlLibrary& nvml, NvmlDevice device,
                                                    const std::filesystem::path& root = "/");

// The same without names, which cost a file each.
absl::StatusOr<std::vector<GpuProcess>> UnnamedProcessesOn(const NvmlLibrary& nvml,
                                                           NvmlDevice device);

// The smallest context that CUDA makes holds more, and what drivers keep beside their processes is
// less.
inline constexpr uint64_t kLeastContextBytes = uint64_t{64} << 20;

// Memory in use that none of the listed processes holds: in a pid namespace newer drivers list only
// the processes of that namespace, and this is all that is seen of the others. `memory` was read
// before the list, so that what grows in between hides nobody. Unset: the driver does not say it of
// one of them, or counts what it sets aside for itself.
std::optional<uint64_t> HiddenBytes(const NvmlMemory& memory,
                                    const std::vector<GpuProcess>& listed);

// Whether an account uses the GPU or MIG instance: a process of it, by its real uid, computes
// there. A process that cannot be looked at (in a container) may be anybody's who may open the GPU:
// by the mode and the groups of /dev/nvidiaN, where the driver tells N. False where the driver
// tells nothing.
bool UsesGpu(const NvmlLibrary& nvml, const std::string& uuid, uid_t uid,
             const std::filesystem::path& root = "/");

// Memory of the GPU or MIG instance that processes other than `own_pid` hold; 0 stands for no
// process of ours. Unset rather than wrong:
//   - nothing of ours is there: all that is in use, less what the driver sets aside for itself; a
//     driver that does not tell that apart is believed for the sum over its processes;
//   - else the sum over the other processes; where the driver does not say it of one of them, all
//     that is in use less what it says of ours;
//   - in a pid namespace with a process of ours: unset, as ours cannot be told from the others.
std::optional<uint64_t> ForeignBytes(const NvmlLibrary& nvml, const std::string& uuid,
                                     pid_t own_pid, const std::filesystem::path& root = "/");

}  // namespace torchlap::host
