// CUDA devices by NVIDIA's management library: no driver, no devices, no complaint.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "server/host/nvml_library.h"

namespace torchlap::host {

struct CudaDevice {
  std::string name;   // `cuda:2`; a MIG instance of it `cuda:2.0`. Numbers as nvidia-smi shows them
  std::string uuid;   // `GPU-...` or `MIG-...`
  std::string model;  // the vendor's name
  uint64_t memory_bytes = 0;
  // Empty: CUDA 13 runs on it; else one line that says why not.
  std::string problem = {};
  // Cores of the host on the NUMA node of the GPU; empty: not known. On a host with one node, all.
  std::vector<int> local_cores = {};
};

struct LeftOutDevice {
  std::string name;
  std::string reason;  // `GPU is lost`
  bool is_lost = false;
};

struct NvmlAnswer {
  // Not OK: no devices, as NvmlLibrary::Open() says. NOT_FOUND: no NVIDIA driver.
  absl::Status library = absl::NotFoundError("not asked");
  std::string driver_version;  // empty: not known
  // By number. A GPU in MIG mode is not among them, its instances are.
  std::vector<CudaDevice> devices;
  std::vector<LeftOutDevice> left_out;
  // The driver is too old for CUDA 13: none of the devices can be used.
  bool driver_too_old = false;
};

// The driver that CUDA 13 needs: any of the branches from this one on, by minor version
// compatibility (NVIDIA, CUDA Compatibility, table of minimum required drivers: 13.x >= 580).
inline constexpr int kOldestDriver = 580;

// What is to be told on the log, one line each: nothing where there is no driver.
std::vector<std::string> Notes(const NvmlAnswer& answer);

// `root` stands before /sys, so that tests read a made-up tree.
NvmlAnswer AskNvml(const absl::StatusOr<std::unique_ptr<NvmlLibrary>>& library,
                   const std::filesystem::path& root = "/");
// Opens it, asks, and closes it again. Blocks as NvmlLibrary::Open() does.
NvmlAnswer AskNvml(const std::string& library, const std::filesystem::path& root = "/");

}  // namespace torchlap::host
