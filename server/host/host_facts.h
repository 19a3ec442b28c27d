// What the daemon tells of its host in every environment, and reads around every run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "server/host/devices.h"
#include "server/host/nvml_library.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::host {

// `root` stands before /proc, /sys and /etc, so that tests read a made-up tree. Missing files leave
// fields empty.
struct HostFacts {
  std::string kernel;  // `uname -r`
  std::string os;      // PRETTY_NAME of os-release
  std::string cpu_model;
  std::string clocks_policy;  // scaling governor of core 0
  std::string boot_id;
  std::string driver_version;  // NVIDIA's; empty without one
};

// What the machine is called, without its domain; `unknown` where it has no name.
std::string HostName();

// Another one after each boot; empty: the kernel does not tell.
std::string BootId(const std::filesystem::path& root = "/");

HostFacts ReadHostFacts(const std::string& cpu_model, const std::string& driver_version,
                        const std::filesystem::path& root = "/");

// The part of a run's environment that the daemon knows.
v1::Environment EnvironmentOf(const HostFacts& facts, const HostDevice& device);

// What is set for the GPU now, of a MIG instance for the GPU that it is a part of. What the device
// does not tell stays as it is.
void AddGpuSettings(const NvmlLibrary& nvml, const std::string& uuid, v1::Environment* environment);

// Load average now.
v1::Readings ReadReadings(const std::filesystem::path& root = "/");

// How many processes the kernel has killed for memory since boot; nothing where it does not say.
std::optional<uint64_t> KernelMemoryKills(const std::filesystem::path& root = "/");

}  // namespace torchlap::host
