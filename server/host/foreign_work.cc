#include "server/host/foreign_work.h"

#include <algorithm>
#include <map>
#include <utility>

namespace torchlap::host {
namespace {

constexpr uint64_t kWindowUs = 2'000'000;
// Of the multiprocessors, over the window up to when it was at work last.
constexpr double kLeastShare = 0.05;
// Of the whole device's time, where nobody is named.
constexpr double kLeastUtilisation = 0.25;

// The newest entry of each process. Shares above 1 are garbage of the driver, as are stamps of
// other times.
std::map<pid_t, NvmlProcessUse> EntriesOf(const std::vector<NvmlProcessUse>& told,
                                          uint64_t since_us, uint64_t now_us) {
  std::map<pid_t, NvmlProcessUse> entries;
  for (const NvmlProcessUse& entry : told) {
    const bool is_recent = entry.stamp_us > since_us && entry.stamp_us <= now_us + kAnswerLateUs;
    if (!is_recent || entry.sm_ratio <= 0 || entry.sm_ratio > 1) continue;
    NvmlProcessUse& newest = entries[static_cast<pid_t>(entry.pid)];
    if (entry.stamp_us >= newest.stamp_us) newest = entry;
  }
  return entries;
}

std::vector<GpuProcess> OthersOn(const NvmlLibrary& nvml, NvmlDevice device, pid_t last_worker,
                                 const std::filesystem::path& root) {
  auto processes = ProcessesOn(nvml, device, root);
  if (!processes.ok()) return {};
  std::erase_if(*processes, [&](const GpuProcess& one) { return one.pid == last_worker; });
  return *std::move(processes);
}

std::vector<ForeignProcess> Holding(const std::vector<GpuProcess>& others) {
  std::vector<ForeignProcess> holding;
  for (const GpuProcess& one : others) holding.push_back({one.pid, one.who, one.used_bytes, 0});
  std::stable_sort(holding.begin(), holding.end(), [](const auto& a, const auto& b) {
    return a.used_bytes.value_or(0) > b.used_bytes.value_or(0);
  });
  return holding;
}

bool IsAtWork(const GpuProcess& one, const std::map<pid_t, NvmlProcessUse>& entries) {
  const auto entry = entries.find(one.pid);
  return one.computes && entry != entries.end() && entry->second.sm_ratio >= kLeastShare;
}

std::vector<ForeignProcess> NamedAsBusy(const std::vector<GpuProcess>& others,
                                        const std::map<pid_t, NvmlProcessUse>& entries) {
  std::vector<ForeignProcess> computing;
  for (const GpuProcess& one : others) {
    if (!IsAtWork(one, entries)) continue;
    computing.push_back({one.pid, one.who, one.used_bytes, entries.at(one.pid).sm_ratio});
  }
  std::stable_sort(computing.begin(), computing.end(),
                   [](const auto& a, const auto& b) { return a.sm_ratio > b.sm_ratio; });
  return computing;
}

// The one that holds most stands for them.
std::vector<ForeignProcess> SomebodyBusy(const std::vector<GpuProcess>& others,
                                         double utilisation) {
  if (utilisation < kLeastUtilisation) return {};
  std::vector<GpuProcess> computing;
  for (const GpuProcess& one : others) {
    if (one.computes) computing.push_back(one);
  }
  if (computing.empty()) return {};
  ForeignProcess busiest = Holding(computing).front();
  busiest.sm_ratio = utilisation;
  return {busiest};
}

std::vector<ForeignProcess> ListedAsBusy(const NvmlLibrary& nvml, NvmlDevice device,
                                         const std::vector<GpuProcess>& others, uint64_t now_us) {
  const uint64_t since_us = now_us - std::min(now_us, kWindowUs);
  const auto told = nvml.ProcessUse(device, since_us);
  if (told.ok()) return NamedAsBusy(others, EntriesOf(*told, since_us, now_us));
  const auto utilisation = nvml.UtilisationRatio(device);
  return utilisation.ok() ? SomebodyBusy(others, *utilisation) : std::vector<ForeignProcess>();
}

// In a pid namespace: who is not listed, but holds what is in use beyond those who are, and keeps
// the device busy.
std::vector<ForeignProcess> HiddenAndBusy(const NvmlLibrary& nvml, NvmlDevice device) {
  const auto memory = nvml.Memory(device);
  const auto listed = UnnamedProcessesOn(nvml, device);
  const auto utilisation = nvml.UtilisationRatio(device);
  if (!memory.ok() || !listed.ok() || utilisation.value_or(0) < kLeastUtilisation) return {};
  const std::optional<uint64_t> hidden_bytes = HiddenBytes(*memory, *listed);
  if (hidden_bytes.value_or(0) < kLeastContextBytes) return {};
  return {{0, {}, hidden_bytes, *utilisation}};
}

}  // namespace

std::optional<ForeignWork> ForeignWorkOn(const NvmlLibrary& nvml, const std::string& uuid,
                                         int64_t wall_ns, pid_t last_worker,
                                         const std::filesystem::path& root) {
  const auto device = nvml.DeviceOf(uuid);
  if (!device.ok()) return std::nullopt;
  const std::vector<GpuProcess> others = OthersOn(nvml, *device, last_worker, root);
  ForeignWork work;
  work.holding = Holding(others);
  work.held_bytes = ForeignBytes(nvml, uuid, /*own_pid=*/0, root);
  work.computing = ListedAsBusy(nvml, *device, others, static_cast<uint64_t>(wall_ns / 1000));
  if (work.computing.empty() && !SeesHostPids(root)) work.computing = HiddenAndBusy(nvml, *device);
  return work;
}

std::optional<int64_t> LastWorkOn(const NvmlLibrary& nvml, const std::string& uuid, int64_t wall_ns,
                                  pid_t last_worker, const std::filesystem::path& root) {
  const auto device = nvml.DeviceOf(uuid);
  if (!device.ok()) return std::nullopt;
  const auto now_us = static_cast<uint64_t>(wall_ns / 1000);
  const uint64_t since_us = now_us - std::min(now_us, uint64_t{kRememberedWorkNs / 1000});
  const auto told = nvml.ProcessUse(*device, since_us);
  if (!told.ok()) return std::nullopt;
  const std::map<pid_t, NvmlProcessUse> entries = EntriesOf(*told, since_us, now_us);
  uint64_t newest_us = 0;
  for (const GpuProcess& one : OthersOn(nvml, *device, last_worker, root)) {
    if (IsAtWork(one, entries)) newest_us = std::max(newest_us, entries.at(one.pid).stamp_us);
  }
  if (newest_us == 0) return std::nullopt;
  return static_cast<int64_t>(now_us - std::min(now_us, newest_us)) * 1000;
}

std::string Called(const ForeignProcess& process) {
  if (process.pid == 0) return "somebody outside of this container";
  const std::string pid = "pid " + std::to_string(process.pid);
  if (process.who.name.empty()) return pid;
  const std::string user = process.who.user.empty() ? "" : ", " + process.who.user;
  return process.who.name + " (" + pid + user + ")";
}

}  // namespace torchlap::host
