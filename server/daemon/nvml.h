// CUDA devices by NVIDIA's management library, opened at run time: no driver, no devices, no
// complaint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace torchlap::daemon {

struct CudaDevice {
  std::string name;   // `cuda:2`; a MIG instance of it `cuda:2.0`. Numbers as nvidia-smi shows them
  std::string uuid;   // `GPU-...` or `MIG-...`
  std::string model;  // the vendor's name
  uint64_t memory_bytes = 0;
};

struct NvmlAnswer {
  // By number. A GPU in MIG mode is not among them, its instances are.
  std::vector<CudaDevice> devices;
  std::string driver_version;  // empty: no driver
  // One line each: the library is there but failed, as a whole or for one device.
  std::vector<std::string> notes;
};

// `library`: a file name for the dynamic linker, or a path. Blocks while the driver wakes the
// devices (a second or so without the persistence daemon). A library that is not there gives an
// empty answer.
NvmlAnswer AskNvml(const std::string& library);

}  // namespace torchlap::daemon
