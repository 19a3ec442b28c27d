#include "server/host/device_processes.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "proto/base/visible_text.h"
#include "server/host/account_name.h"

namespace torchlap::host {
namespace {

// PROC_PID_INIT_INO of the kernel (include/linux/proc_ns.h), never another.
constexpr char kHostNamespace[] = "pid:[4026531836]";

void Merge(const std::vector<NvmlProcess>& listed, bool GpuProcess::*kind,
           std::map<pid_t, GpuProcess>* processes) {
  for (const NvmlProcess& entry : listed) {
    GpuProcess& process = (*processes)[static_cast<pid_t>(entry.pid)];
    process.pid = static_cast<pid_t>(entry.pid);
    process.*kind = true;
    // Both lists have the whole of the process.
    if (entry.used_bytes) {
      process.used_bytes = std::max(process.used_bytes.value_or(0), *entry.used_bytes);
    }
  }
}

absl::StatusOr<std::map<pid_t, GpuProcess>> Listed(const NvmlLibrary& nvml, NvmlDevice device) {
  const auto compute = nvml.ComputeProcesses(device);
  const auto graphics = nvml.GraphicsProcesses(device);
  if (!compute.ok() && !graphics.ok()) return compute.status();
  std::map<pid_t, GpuProcess> processes;
  if (compute.ok()) Merge(*compute, &GpuProcess::computes, &processes);
  if (graphics.ok()) Merge(*graphics, &GpuProcess::draws, &processes);
  return processes;
}

// Unset: the driver does not say it of one of them.
std::optional<uint64_t> Sum(const std::map<pid_t, GpuProcess>& processes) {
  uint64_t sum = 0;
  for (const auto& [pid, process] : processes) {
    if (!process.used_bytes) return std::nullopt;
    sum += *process.used_bytes;
  }
  return sum;
}

std::optional<uint64_t> UsedBytes(const NvmlLibrary& nvml, NvmlDevice device) {
  const auto memory = nvml.Memory(device);
  if (!memory.ok() || memory->used_has_reserve) return std::nullopt;
  return memory->used_bytes;
}

// As far as the file's mode says: an access list, or a driver that tells no number, is no refusal.
bool MayOpen(const NvmlLibrary& nvml, NvmlDevice device, uid_t uid,
             const std::filesystem::path& root) {
  const auto number = nvml.MinorNumber(device);
  if (uid == 0 || !number.ok()) return true;
  const std::string file = root / "dev" / ("nvidia" + std::to_string(*number));
  struct stat info = {};
  if (::stat(file.c_str(), &info) != 0) return true;
  if (::getxattr(file.c_str(), "system.posix_acl_access", nullptr, 0) > 0) return true;
  if (info.st_uid == uid) return (info.st_mode & S_IRUSR) != 0;
  const mode_t right = IsInGroup(uid, info.st_gid) ? S_IRGRP : S_IROTH;
  return (info.st_mode & right) != 0;
}

// A process may call itself anything.
std::string RestOf(std::istream* line) {
  std::string rest;
  std::getline(*line, rest);
  return Visible(rest);
}

}  // namespace

bool SeesHostPids(const std::filesystem::path& root) {
  std::error_code error;
  return std::filesystem::read_symlink(root / "proc/self/ns/pid", error) == kHostNamespace;
}

ProcessName NameOf(pid_t pid, const std::filesystem::path& root) {
  ProcessName name;
  if (!SeesHostPids(root)) return name;
  std::ifstream status(root / "proc" / std::to_string(pid) / "status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream fields(line);
    std::string key;
    uid_t uid = 0;
    fields >> key >> std::ws;
    if (key == "Name:") name.name = RestOf(&fields);
    if (key == "PPid:") fields >> name.parent;
    if (key == "Uid:" && fields >> uid) {
      name.uid = uid;
      name.user = AccountName(uid);
    }
  }
  return name;
}

absl::StatusOr<std::vector<GpuProcess>> ProcessesOn(const NvmlLibrary& nvml, NvmlDevice device,
                                                    const std::filesystem::path& root) {
  auto processes = UnnamedProcessesOn(nvml, device);
  if (!processes.ok()) return processes.status();
  for (GpuProcess& process : *processes) process.who = NameOf(process.pid, root);
  return processes;
}

absl::StatusOr<std::vector<GpuProcess>> UnnamedProcessesOn(const NvmlLibrary& nvml,
                                                           NvmlDevice device) {
  const auto listed = Listed(nvml, device);
  if (!listed.ok()) return listed.status();
  std::vector<GpuProcess> processes;
  for (const auto& [pid, process] : *listed) processes.push_back(process);
  return processes;
}

std::optional<uint64_t> HiddenBytes(const NvmlMemory& memory,
                                    const std::vector<GpuProcess>& listed) {
  if (memory.used_has_reserve) return std::nullopt;
  uint64_t held = 0;
  for (const GpuProcess& process : listed) {
    if (!process.used_bytes) return std::nullopt;
    held += *process.used_bytes;
  }
  return memory.used_bytes - std::min(memory.used_bytes, held);
}

bool UsesGpu(const NvmlLibrary& nvml, const std::string& uuid, uid_t uid,
             const std::filesystem::path& root) {
  const auto device = nvml.DeviceOf(uuid);
  if (!device.ok()) return false;
  const auto processes = ProcessesOn(nvml, *device, root);
  if (!processes.ok()) return false;
  bool may_be_its = false;
  for (const GpuProcess& process : *processes) {
    if (!process.computes) continue;
    if (process.who.uid == uid) return true;
    if (!process.who.uid) may_be_its = true;
  }
  return may_be_its && MayOpen(nvml, *device, uid, root);
}

std::optional<uint64_t> ForeignBytes(const NvmlLibrary& nvml, const std::string& uuid,
                                     pid_t own_pid, const std::filesystem::path& root) {
  const auto device = nvml.DeviceOf(uuid);
  if (!device.ok()) return std::nullopt;
  const std::optional<uint64_t> used = UsedBytes(nvml, *device);
  if (own_pid == 0 && used) return used;
  // Here the sum over the processes is wanted, and inside of a container it may lack some.
  auto others = Listed(nvml, *device);
  if (!others.ok() || !SeesHostPids(root)) return std::nullopt;
  const auto own = others->extract(own_pid);
  if (const auto sum = Sum(*others)) return sum;
  const std::optional<uint64_t> own_bytes = own.empty() ? 0 : own.mapped().used_bytes;
  if (!used || !own_bytes) return std::nullopt;
  return *used - std::min(*used, *own_bytes);
}

}  // namespace torchlap::host
