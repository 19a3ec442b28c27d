#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <cstdlib>

#include "server/worker/cuda_message.h"
#include "server/worker/device.h"
#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

constexpr c10::DeviceIndex kOnlyGpu = 0;  // CUDA_VISIBLE_DEVICES leaves one
constexpr size_t kAggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

class CudaDevice final : public Device {
 public:
  CudaDevice() : at_start_(at::accelerator::getMemoryInfo(kOnlyGpu)) {}

  c10::Device torch_device() const override { return {c10::DeviceType::CUDA, kOnlyGpu}; }
  void Synchronise() override { at::accelerator::synchronizeDevice(kOnlyGpu); }
  void ResetPeaks() override { at::accelerator::resetPeakStats(kOnlyGpu); }
  MemoryPeak Peaks() const override;
  v1::MemoryUse AtStart() const override;
  v1::Failure DescribeOutOfMemory(const c10::OutOfMemoryError& error) const override;
  std::string cuda_version() const override;

 private:
  const std::pair<size_t, size_t> at_start_;  // free, total
};

MemoryPeak CudaDevice::Peaks() const {
  const auto stats = at::accelerator::getDeviceStats(kOnlyGpu);
  return {static_cast<uint64_t>(stats.allocated_bytes[kAggregate].peak),
          static_cast<uint64_t>(stats.reserved_bytes[kAggregate].peak)};
}

v1::MemoryUse CudaDevice::AtStart() const {
  v1::MemoryUse memory;
  memory.set_device_free_bytes(at_start_.first);
  memory.set_device_total_bytes(at_start_.second);
  return memory;
}

v1::Failure CudaDevice::DescribeOutOfMemory(const c10::OutOfMemoryError& error) const {
  v1::Failure failure;
  const auto stats = at::accelerator::getDeviceStats(kOnlyGpu);
  const auto [free_bytes, total_bytes] = at::accelerator::getMemoryInfo(kOnlyGpu);
  if (const auto asked = AskedBytes(error.what_without_backtrace())) {
    failure.set_asked_bytes(*asked);
  }
  // The stack was unwound: its tensors are freed, but their memory is still held from the device.
  // So `allocated` is the peak of the phase, and the rest is as it was.
  failure.set_allocated_bytes(static_cast<uint64_t>(stats.allocated_bytes[kAggregate].peak));
  failure.set_reserved_bytes(static_cast<uint64_t>(stats.reserved_bytes[kAggregate].current));
  failure.set_free_bytes(free_bytes);
  failure.set_total_bytes(total_bytes);
  return failure;
}

std::string CudaDevice::cuda_version() const {
  const long version = at::detail::getCUDAHooks().versionCUDART();  // 13000 is 13.0
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void OpenLibrary(const char* name) {
  if (dlopen(name, RTLD_NOW | RTLD_GLOBAL) != nullptr) return;
  throw DeviceUnusable(std::string("LibTorch's CUDA part cannot be loaded: ") + dlerror());
}

void OpenLibraries() {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    throw DeviceUnusable("no CUDA device: the NVIDIA driver (libcuda.so.1) is not installed");
  }
  // libtorch_cuda needs the first two, and finds them only if they are loaded already.
  OpenLibrary("libnvrtc.so.13");
  OpenLibrary("libnvJitLink.so.13");
  OpenLibrary("libtorch_cuda.so");
}

}  // namespace

std::unique_ptr<Device> OpenCudaDevice(const std::string& uuid) {
  setenv("CUDA_VISIBLE_DEVICES", uuid.c_str(), 1);
  OpenLibraries();
  if (!at::globalContext().hasCUDA() || at::accelerator::deviceCount() < 1) {
    throw DeviceUnusable("no CUDA device: the driver does not offer " + uuid);
  }
  return std::make_unique<CudaDevice>();
}

}  // namespace torchlap::worker
