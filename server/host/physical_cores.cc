#include "server/host/physical_cores.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include "server/host/cpu_list.h"

namespace torchlap::host {
namespace {

bool Has(const std::vector<int>& cores, int core) {
  return std::find(cores.begin(), cores.end(), core) != cores.end();
}

std::vector<int> SiblingsOf(int core, const Siblings& siblings) {
  const auto found = siblings.find(core);
  return found == siblings.end() ? std::vector<int>{core} : found->second;
}

std::vector<int> ReadSiblingsOf(int core, const std::filesystem::path& root) {
  const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(core);
  std::ifstream stream(root / folder / "topology/thread_siblings_list");
  std::string line;
  std::getline(stream, line);
  auto cores = ParseCpuList(line);
  return cores.ok() && Has(*cores, core) ? *std::move(cores) : std::vector<int>{core};
}

}  // namespace

Siblings ReadSiblings(const std::vector<int>& cores, const std::filesystem::path& root) {
  Siblings siblings;
  for (const int core : cores) siblings.emplace(core, ReadSiblingsOf(core, root));
  return siblings;
}

std::vector<PhysicalCore> PhysicalCoresOf(const std::vector<int>& cores, const Siblings& siblings) {
  std::vector<PhysicalCore> found;
  std::set<int> left(cores.begin(), cores.end());
  for (const int core : cores) {
    if (!left.contains(core)) continue;
    const std::vector<int> all = SiblingsOf(core, siblings);
    PhysicalCore& physical = found.emplace_back();
    for (const int sibling : all) {
      if (left.erase(sibling) > 0) physical.cores.push_back(sibling);
    }
    physical.is_whole = physical.cores.size() == all.size();
  }
  return found;
}

std::vector<int> WithSiblings(const std::vector<int>& cores, const Siblings& siblings) {
  std::set<int> all;
  for (const int core : cores) {
    const std::vector<int> of_core = SiblingsOf(core, siblings);
    all.insert(of_core.begin(), of_core.end());
  }
  return {all.begin(), all.end()};
}

}  // namespace torchlap::host
