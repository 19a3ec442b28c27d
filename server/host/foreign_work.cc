#include "server/host/foreign_work.h"

#include <algorithm>
#include <map>
#include <utility>

namespace torchlap::host {
namespace {

constexpr uint64_t kWindowUs = 2'000'000;
constexpr size_t kFewestSamples = 2;
// Of the multiprocessors, while it was at work.
constexpr double kLeastShare = 0.05;
// Of the whole device's time, where nobody is named.
constexpr double kLeastUtilisation = 0.25;

struct Uses {
  double sum = 0;
  size_t count = 0;

  double mean() const { return sum / static_cast<double>(count); }
  bool computes() const { return count >= kFewestSamples && mean() >= kLeastShare; }
};

// Of the last seconds. Shares above 1 are garbage of the driver, as are stamps of other times.
std::map<pid_t, Uses> UsesOf(const std::vector<NvmlProcessUse>& samples, uint64_t now_us) {
  std::map<pid_t, Uses> uses;
  for (const NvmlProcessUse& sample : samples) {
    const bool is_recent = sample.stamp_us + kWindowUs >= now_us && sample.stamp_us <= now_us;
    if (!is_recent || sample.sm_ratio <= 0 || sample.sm_ratio > 1) continue;
    Uses& of_process = uses[static_cast<pid_t>(sample.pid)];
    of_process.sum += sample.sm_ratio;
    ++of_process.count;
  }
  return uses;
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

std::vector<ForeignProcess> NamedAsBusy(const std::vector<GpuProcess>& others,
                                        const std::map<pid_t, Uses>& uses) {
  std::vector<ForeignProcess> computing;
  for (const GpuProcess& one : others) {
    const auto use = uses.find(one.pid);
    if (!one.computes || use == uses.end() || !use->second.computes()) continue;
    computing.push_back({one.pid, one.who, one.used_bytes, use->second.mean()});
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
  const auto samples = nvml.ProcessUse(*device, /*since_us=*/0);
  if (samples.ok()) {
    work.computing = NamedAsBusy(others, UsesOf(*samples, static_cast<uint64_t>(wall_ns / 1000)));
  } else if (const auto utilisation = nvml.UtilisationRatio(*device); utilisation.ok()) {
    work.computing = SomebodyBusy(others, *utilisation);
  }
  return work;
}

std::string Called(const ForeignProcess& process) {
  const std::string pid = "pid " + std::to_string(process.pid);
  if (process.who.name.empty()) return pid;
  const std::string user = process.who.user.empty() ? "" : ", " + process.who.user;
  return process.who.name + " (" + pid + user + ")";
}

}  // namespace torchlap::host
