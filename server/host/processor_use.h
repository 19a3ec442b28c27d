// Whether a process, or what it has started, is computing now.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <vector>

namespace torchlap::host {

struct ProcessorUse {
  uint64_t ticks = 0;  // of processor time: 100 a second
  int core = 0;        // where it ran last
};

// Of a process and of all below it, by pid. Empty: it is gone, or in another pid namespace. `root`
// stands before /proc, so that tests read a made-up tree.
std::map<pid_t, ProcessorUse> UseOfTree(pid_t pid, const std::filesystem::path& root = "/");

// Ticks between two looks of those that ran on one of the cores last.
uint64_t TicksOn(const std::vector<int>& cores, const std::map<pid_t, ProcessorUse>& before,
                 const std::map<pid_t, ProcessorUse>& after);

// Whether they take a fifth of a core or more there. Looks for 100 ms.
bool ComputesOn(const std::vector<int>& cores, pid_t pid);

}  // namespace torchlap::host
