// The device of a run: what the timing code needs of it, the same for every kind.
#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/worker/gpu_model.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Largest memory in use since the last ResetPeaks.
struct MemoryPeak {
  uint64_t allocated_bytes = 0;
  // Unset where tensors are all that is held (CPU).
  std::optional<uint64_t> reserved_bytes;
};

// The device's own clock: the time between points in the order of its work. Used by one thread.
class DeviceClock {
 public:
  virtual ~DeviceClock() = default;
  // Marks the point behind all work that the device was given until now, and returns its number: 0,
  // 1, 2, ... Does not wait for the work.
  virtual size_t Mark() = 0;
  // ns from one mark to a later one. The device was synchronised after both.
  virtual int64_t BetweenNs(size_t from, size_t to) const = 0;
  // Forgets the marks.
  virtual void Clear() = 0;
};

// Used by one thread.
class Device {
 public:
  virtual ~Device() = default;

  virtual c10::Device torch_device() const = 0;
  // Returns when all work that was given to the device is done.
  virtual void Synchronise() = 0;
  // A clock of its own, or null where the device has none (CPU). Makes what the clock needs, so
  // that marks of the first step cost what those of the others do.
  virtual std::unique_ptr<DeviceClock> MakeClock() = 0;
  // Peaks count from the memory in use now. Neither this nor Peaks waits for the device: the
  // allocator counts on the host.
  virtual void ResetPeaks() = 0;
  virtual MemoryPeak Peaks() const = 0;
  // Memory that the allocator holds for later tensors goes back to the device.
  virtual void GiveBackUnused() {}
  // Total and free memory when the device was opened: device_total_bytes and device_free_bytes.
  virtual v1::MemoryUse AtStart() const = 0;
  // The numbers of an out-of-memory that was just caught, from the first line of its message and
  // from the allocator: asked, allocated, reserved, free, total. Throws nothing: what the device
  // does not tell any more stays unset.
  virtual v1::Failure DescribeOutOfMemory(const std::string& message) const = 0;
  // Unset on a CPU.
  virtual std::optional<GpuModel> gpu() const = 0;
  // Version of the CUDA runtime; empty on a CPU.
  virtual std::string cuda_version() const = 0;
};

// Makes the granted device usable and returns it: call once, before any operation on tensors. CPU:
// puts the limited allocator in place. CUDA: restricts the process to the granted GPU, loads
// LibTorch's CUDA part and limits memory to the plan's fraction. Throws DeviceUnusable with one
// line that says what is missing, or InvalidRequest if the device cannot do what is asked for.
std::unique_ptr<Device> OpenDevice(const v1::WorkerRequest& request);

// The two kinds, for OpenDevice and tests.
std::unique_ptr<Device> OpenCpuDevice(uint64_t memory_limit_bytes);
std::unique_ptr<Device> OpenCudaDevice(const v1::WorkerRequest& request);

}  // namespace torchlap::worker
