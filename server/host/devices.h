// The devices that a daemon may offer: CPU devices of the configuration, and the CUDA devices of
// the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/host/configuration.h"
#include "server/host/cuda_devices.h"
#include "server/host/host_resources.h"
#include "server/host/wanted_settings.h"
#include "torchlap/v1/device.pb.h"

namespace torchlap::host {

struct HostDevice {
  std::string name;  // unique: `cpu0`, `cuda:0`
  std::string uuid;  // `CPU-<cores>`, `GPU-...`, `MIG-...`
  v1::DeviceKind kind = v1::DEVICE_KIND_UNSPECIFIED;
  std::string model;
  // Of the host, for its worker. Those that no other device has are claimed with it.
  std::vector<int> cores;
  uint64_t memory_bytes = 0;  // CPU: the limit; CUDA: memory of the device
  uint32_t threads = 1;
  std::vector<std::string> claim_keys;  // for TryClaim
  // Empty: usable. Else one line that says why nothing can run on it.
  std::string problem = {};
  VendorPeaks vendor_peaks = {};
  // It has a problem, and another device of its kind has none: jobs for the class go there.
  bool only_by_name = false;
  WantedSettings wanted = {};
  std::optional<SettleWindow> settle = {};
};

struct DeviceList {
  std::vector<HostDevice> devices;  // CPU devices first
  std::vector<std::string> notes;   // one line each, for the log
  std::vector<int> reserved_cores;  // that GPU workers have for themselves, and nobody said
  std::string driver_version;       // empty: no NVIDIA driver
};

// Pure. `scope` is ClaimScope(). An entry of the configuration for a CUDA device that is not there
// becomes a note.
//
// The worker of a CUDA device whose cores nobody said has `cores_per_gpu` physical cores for
// itself, with all their hyperthreads, those of the GPU's NUMA node first; a CPU device whose cores
// nobody said does without them, and without those that the configuration gives to a CUDA device
// and their siblings, but keeps half of the default cores. Where that leaves less than one for each
// GPU they share the default cores, the local ones if there are.
DeviceList ListDevices(const Configuration& configuration, const HostResources& host,
                       const NvmlAnswer& nvml, const std::string& scope);

}  // namespace torchlap::host
