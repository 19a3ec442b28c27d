#include "server/host/host_facts.h"

#include <sys/utsname.h>

#include <fstream>
#include <string>

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

}  // namespace

HostFacts ReadHostFacts(const std::string& cpu_model, const std::string& driver_version,
                        const std::filesystem::path& root) {
  HostFacts facts;
  utsname name = {};
  if (::uname(&name) == 0) facts.kernel = name.release;
  facts.os = PrettyName(root / "etc/os-release");
  facts.cpu_model = cpu_model;
  facts.clocks_policy = FirstLine(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  facts.boot_id = FirstLine(root / "proc/sys/kernel/random/boot_id");
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
  }
  return environment;
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
