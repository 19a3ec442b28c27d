#include "server/host/host_facts.h"

#include <sys/utsname.h>

#include <array>
#include <fstream>
#include <string>
#include <string_view>

#include "proto/base/visible_text.h"
#include "server/host/cpu_list.h"

namespace torchlap::host {
namespace {

std::string FirstLine(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return Visible(line);
}

// PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
std::string PrettyName(const std::filesystem::path& file) {
  constexpr std::string_view kKey = "PRETTY_NAME=";
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind(kKey, 0) != 0) continue;
    std::string name = line.substr(kKey.size());
    if (name.size() >= 2 && name.front() == '"') name = name.substr(1, name.size() - 2);
    return Visible(name);
  }
  return {};
}

// The end of a MIG instance's name, `NVIDIA A100-SXM4-40GB MIG 1g.5gb`; empty: it is none.
std::string MigProfile(const HostDevice& device) {
  constexpr std::string_view kMark = " MIG ";
  const size_t mark = device.model.rfind(kMark);
  const bool is_instance = device.uuid.starts_with("MIG-") && mark != std::string::npos;
  return is_instance ? device.model.substr(mark + kMark.size()) : "";
}

std::string OnOrOff(bool on) { return on ? "on" : "off"; }

// Of nvmlComputeMode_t.
std::string ComputeModeWord(unsigned mode) {
  static constexpr std::array<const char*, 4> kWords = {"default", "exclusive-thread", "prohibited",
                                                        "exclusive-process"};
  return mode < kWords.size() ? kWords[mode] : std::to_string(mode);
}

}  // namespace

std::string HostName() {
  utsname name = {};
  const std::string full = ::uname(&name) == 0 ? name.nodename : "";
  const std::string first = full.substr(0, full.find('.'));
  return first.empty() ? "unknown" : first;
}

std::string BootId(const std::filesystem::path& root) {
  return FirstLine(root / "proc/sys/kernel/random/boot_id");
}

HostFacts ReadHostFacts(const std::string& cpu_model, const std::string& driver_version,
                        const std::filesystem::path& root) {
  HostFacts facts;
  utsname name = {};
  if (::uname(&name) == 0) facts.kernel = name.release;
  facts.os = PrettyName(root / "etc/os-release");
  facts.cpu_model = cpu_model;
  facts.clocks_policy = FirstLine(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  facts.boot_id = BootId(root);
  facts.driver_version = driver_version;
  return facts;
}

v1::Environment EnvironmentOf(const HostFacts& facts, const HostDevice& device) {
  v1::Environment environment;
  environment.set_kernel(facts.kernel);
  environment.set_os(facts.os);
  environment.set_cpu_model(facts.cpu_model);
  environment.set_clocks_policy(facts.clocks_policy);
  environment.set_cores(PrintCpuList(device.cores));
  if (device.kind == v1::DEVICE_KIND_CUDA) {
    environment.set_driver_version(facts.driver_version);
    environment.set_gpu_model(device.model);
    environment.set_mig_profile(MigProfile(device));
  }
  return environment;
}

void AddGpuSettings(const NvmlLibrary& nvml, const std::string& uuid,
                    v1::Environment* environment) {
  const auto device = nvml.DeviceOf(uuid);
  if (!device.ok()) return;
  const NvmlSettings settings = nvml.Settings(nvml.GpuOf(*device));
  if (settings.power_limit_mw) environment->set_gpu_power_limit_mw(*settings.power_limit_mw);
  if (settings.ecc) environment->set_gpu_ecc(OnOrOff(*settings.ecc));
  if (settings.persistence) environment->set_gpu_persistence(OnOrOff(*settings.persistence));
  if (settings.compute_mode) {
    environment->set_gpu_compute_mode(ComputeModeWord(*settings.compute_mode));
  }
  if (settings.application_mhz) environment->set_gpu_application_mhz(*settings.application_mhz);
  if (settings.application_memory_mhz) {
    environment->set_gpu_application_memory_mhz(*settings.application_memory_mhz);
  }
  if (settings.pcie_generation) environment->set_pcie_generation(*settings.pcie_generation);
  if (settings.pcie_width) environment->set_pcie_width(*settings.pcie_width);
}

v1::Readings ReadReadings(const std::filesystem::path& root) {
  v1::Readings readings;
  std::ifstream stream(root / "proc/loadavg");
  double load = 0;
  if (stream >> load) readings.set_load_average(load);
  return readings;
}

std::optional<uint64_t> KernelMemoryKills(const std::filesystem::path& root) {
  std::ifstream stream(root / "proc/vmstat");
  std::string key;
  uint64_t value = 0;
  while (stream >> key >> value) {
    if (key == "oom_kill") return value;
  }
  return std::nullopt;
}

}  // namespace torchlap::host
