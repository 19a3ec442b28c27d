// Which logical cores are hyperthreads of one physical core. They compute at each other's cost, and
// no counter of the kernel shows it.
#pragma once

#include <filesystem>
#include <map>
#include <vector>

namespace torchlap::host {

// By a core all that share its physical one, itself included, sorted.
using Siblings = std::map<int, std::vector<int>>;

// Of each of `cores` (thread_siblings_list of the kernel), with those that this process may not run
// on. A core of which nothing is told, or not that it is one of its own siblings, is alone. `root`
// stands before /sys.
Siblings ReadSiblings(const std::vector<int>& cores, const std::filesystem::path& root = "/");

struct PhysicalCore {
  std::vector<int> cores;  // logical ones, sorted
  bool is_whole = true;    // no sibling is left out
};

// What `cores`, sorted, are of, in the order of the first of each; siblings that are not among them
// are left out. A core that is not in `siblings` is alone.
std::vector<PhysicalCore> PhysicalCoresOf(const std::vector<int>& cores, const Siblings& siblings);

// `cores` and all their siblings, sorted.
std::vector<int> WithSiblings(const std::vector<int>& cores, const Siblings& siblings);

}  // namespace torchlap::host
