#include "server/host/host_resources.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>

#include "proto/base/visible_text.h"

namespace torchlap::host {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kBytesPerKib = 1024;

std::optional<uint64_t> ParseNumber(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

std::string FirstLine(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// What follows `key` in the first line that begins with it.
std::optional<std::string> ValueOf(const fs::path& file, std::string_view key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return std::nullopt;
}

std::optional<uint64_t> NumberOf(const fs::path& file, std::string_view key) {
  const auto value = ValueOf(file, key);
  return value ? ParseNumber(*value) : std::nullopt;
}

// Names that differ between the versions of cgroups.
struct CgroupFiles {
  const char* limit;
  const char* usage;
  const char* cache;  // line of memory.stat: file pages that the kernel would give back
};

constexpr CgroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                   "total_inactive_file "};
constexpr CgroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file "};

struct MemoryLimits {
  uint64_t total_bytes = kNoLimit;
  uint64_t available_bytes = kNoLimit;
};

void ApplyGroup(const fs::path& group, const CgroupFiles& files, MemoryLimits* limits) {
  // `max` is not a number, and means no limit.
  const auto limit = ParseNumber(FirstLine(group / files.limit));
  if (!limit) return;
  const uint64_t usage = ParseNumber(FirstLine(group / files.usage)).value_or(0);
  const uint64_t cache = NumberOf(group / "memory.stat", files.cache).value_or(0);
  const uint64_t held = usage - std::min(usage, cache);
  limits->total_bytes = std::min(limits->total_bytes, *limit);
  limits->available_bytes = std::min(limits->available_bytes, *limit - std::min(*limit, held));
}

// The group and all above it: each may have a limit. A group that is not below the mount (a
// container that sees its host's paths) has no files, and the walk ends at the mount itself, which
// is then the container's own group.
void ApplyGroupAndParents(const fs::path& mount, const std::string& group, const CgroupFiles& files,
                          MemoryLimits* limits) {
  fs::path below = fs::path(group).relative_path();
  while (!below.empty()) {
    ApplyGroup(mount / below, files, limits);
    below = below.parent_path();
  }
  ApplyGroup(mount, files, limits);
}

bool HasController(const std::string& controllers, const std::string& wanted) {
  return ("," + controllers + ",").find("," + wanted + ",") != std::string::npos;
}

// Lines of /proc/self/cgroup are `hierarchy:controllers:path`; version 2 is `0::path`.
MemoryLimits ReadCgroups(const fs::path& root) {
  MemoryLimits limits;
  std::ifstream stream(root / "proc/self/cgroup");
  for (std::string line; std::getline(stream, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      ApplyGroupAndParents(root / "sys/fs/cgroup", group, kVersion2, &limits);
    } else if (HasController(controllers, "memory")) {
      ApplyGroupAndParents(root / "sys/fs/cgroup/memory", group, kVersion1, &limits);
    }
  }
  return limits;
}

std::vector<int> AllowedCores() {
  // A set larger than cpu_set_t's 1,024 cores, as the kernel refuses one that is too small.
  constexpr int kSetCores = 8192;
  cpu_set_t* set = CPU_ALLOC(kSetCores);
  const size_t size = CPU_ALLOC_SIZE(kSetCores);
  std::vector<int> cores;
  if (sched_getaffinity(0, size, set) == 0) {
    for (int core = 0; core < kSetCores; ++core) {
      if (CPU_ISSET_S(core, size, set)) cores.push_back(core);
    }
  }
  CPU_FREE(set);
  return cores;
}

std::string CpuModel(const fs::path& root) {
  std::string value = ValueOf(root / "proc/cpuinfo", "model name").value_or("");
  value.erase(0, std::min(value.size(), value.find_first_not_of("\t :")));
  return value.empty() ? "unknown CPU" : Visible(value);
}

}  // namespace

HostResources ReadHostResources(const fs::path& root) {
  const fs::path meminfo = root / "proc/meminfo";
  const MemoryLimits limits = ReadCgroups(root);
  HostResources host;
  host.cores = AllowedCores();
  host.total_memory_bytes =
      std::min(NumberOf(meminfo, "MemTotal:").value_or(0) * kBytesPerKib, limits.total_bytes);
  host.available_memory_bytes = std::min(
      NumberOf(meminfo, "MemAvailable:").value_or(0) * kBytesPerKib, limits.available_bytes);
  host.cpu_model = CpuModel(root);
  host.siblings = ReadSiblings(host.cores, root);
  return host;
}

}  // namespace torchlap::host
