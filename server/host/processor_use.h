// Whether a process, or what it has started, is computing now.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

namespace torchlap::host {

struct ProcessorUse {
  uint64_t ticks = 0;  // of processor time: 100 a second
  int core = 0;        // where it ran last
};

// A process as whose it was known to be: its number may be another's by now.
struct ProcessOwner {
  pid_t pid = 0;
  uid_t uid = 0;
};

// Of each of these and of all below it, by pid; what is below two of them counts for the nearer
// one. Processes of another real uid do not count. Empty: it is gone, not its owner's, or in
// another pid namespace (0). `root` stands before /proc, so that tests read a made-up tree.
std::vector<std::map<pid_t, ProcessorUse>> UseOfTrees(const std::vector<ProcessOwner>& tops,
                                                      const std::filesystem::path& root = "/");

// Ticks between two looks of those that ran on one of the cores last.
uint64_t TicksOn(const std::vector<int>& cores, const std::map<pid_t, ProcessorUse>& before,
                 const std::map<pid_t, ProcessorUse>& after);

// The first of them that takes, with all below it, a fifth of a core or more there. Looks for 100
// ms, however many they are; not at all where none is seen.
std::optional<size_t> FirstToComputeOn(const std::vector<int>& cores,
                                       const std::vector<ProcessOwner>& processes);

}  // namespace torchlap::host
