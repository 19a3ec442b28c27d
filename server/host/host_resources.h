// What this machine gives the daemon: cores and memory, limits of cgroups included.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "server/host/physical_cores.h"

namespace torchlap::host {

struct HostResources {
  // Cores that the daemon may run on (sched_getaffinity), sorted.
  std::vector<int> cores;
  // Physical memory, or the smallest cgroup limit (v1 or v2) above this process if that is less.
  uint64_t total_memory_bytes = 0;
  // Available now: /proc/meminfo's MemAvailable, or what the tightest cgroup has left if that is
  // less.
  uint64_t available_memory_bytes = 0;
  // /proc/cpuinfo's model name; `unknown CPU` where it has none.
  std::string cpu_model;
  // Of each of `cores`.
  Siblings siblings = {};
};

// `root` stands before /proc and /sys, so that tests read a made-up tree; cores always come from
// the kernel. A file that is missing sets no limit.
HostResources ReadHostResources(const std::filesystem::path& root = "/");

}  // namespace torchlap::host
