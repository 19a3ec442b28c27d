// The device of a run: what the timing code needs of it, the same for every kind.
#pragma once

#include <c10/core/Device.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "torchlap/v1/device.pb.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Largest memory in use since the last ResetPeaks.
struct MemoryPeak {
  uint64_t allocated_bytes = 0;
  // Unset where tensors are all that is held (CPU).
  std::optional<uint64_t> reserved_bytes;
};

// Used by one thread.
class Device {
 public:
  virtual ~Device() = default;

  virtual c10::Device torch_device() const = 0;
  // Returns when all work that was given to the device is done.
  virtual void Synchronise() = 0;
  // Peaks count from the memory in use now.
  virtual void ResetPeaks() = 0;
  virtual MemoryPeak Peaks() const = 0;
  // Total and free memory when the device was opened: device_total_bytes and device_free_bytes.
  virtual v1::MemoryUse AtStart() const = 0;
  // The numbers of an out-of-memory that was just caught: asked, allocated, reserved, free, total,
  // where known.
  virtual v1::Failure DescribeOutOfMemory(const c10::OutOfMemoryError& error) const = 0;
  // Version of the CUDA runtime; empty on a CPU.
  virtual std::string cuda_version() const = 0;
};

// Makes the granted device usable and returns it: call once, before any operation on tensors. CPU:
// puts the limited allocator in place. CUDA: restricts the process to the granted GPU and loads
// LibTorch's CUDA part. Throws DeviceUnusable with one line that says what is missing.
std::unique_ptr<Device> OpenDevice(const v1::DeviceGrant& grant);

// The two kinds, for OpenDevice and tests.
std::unique_ptr<Device> OpenCpuDevice(uint64_t memory_limit_bytes);
std::unique_ptr<Device> OpenCudaDevice(const std::string& uuid);

}  // namespace torchlap::worker
