#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <cstdlib>
#include <utility>

#include "server/worker/cuda_clock.h"
#include "server/worker/cuda_driver.h"
#include "server/worker/cuda_extras_library.h"
#include "server/worker/cuda_message.h"
#include "server/worker/device.h"
#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

constexpr c10::DeviceIndex kOnlyGpu = 0;  // CUDA_VISIBLE_DEVICES leaves one
constexpr size_t kAggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

class CudaDevice final : public Device {
 public:
  // `at_start`: free and total memory.
  CudaDevice(GpuModel gpu, std::pair<size_t, size_t> at_start)
      : gpu_(std::move(gpu)), at_start_(at_start) {}

  c10::Device torch_device() const override { return {c10::DeviceType::CUDA, kOnlyGpu}; }
  void Synchronise() override { at::accelerator::synchronizeDevice(kOnlyGpu); }
  std::unique_ptr<DeviceClock> MakeClock() override { return MakeCudaClock(torch_device()); }
  void ResetPeaks() override { at::accelerator::resetPeakStats(kOnlyGpu); }
  MemoryPeak Peaks() const override;
  void GiveBackUnused() override { at::accelerator::emptyCache(); }
  v1::MemoryUse AtStart() const override;
  v1::Failure DescribeOutOfMemory(const std::string& message) const override;
  std::optional<GpuModel> gpu() const override { return gpu_; }
  std::string cuda_version() const override;

 private:
  const GpuModel gpu_;
  const std::pair<size_t, size_t> at_start_;
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

v1::Failure CudaDevice::DescribeOutOfMemory(const std::string& message) const {
  v1::Failure failure;
  if (const auto asked = AskedBytes(message)) failure.set_asked_bytes(*asked);
  // We are in a handler already: an error of these questions must not hide the one that is told.
  try {
    // The stack was unwound: its tensors are freed, but their memory is still held from the device.
    // So `allocated` is the peak of the phase, and the rest is as it was.
    const auto stats = at::accelerator::getDeviceStats(kOnlyGpu);
    failure.set_allocated_bytes(static_cast<uint64_t>(stats.allocated_bytes[kAggregate].peak));
    failure.set_reserved_bytes(static_cast<uint64_t>(stats.reserved_bytes[kAggregate].current));
    const auto [free_bytes, total_bytes] = at::accelerator::getMemoryInfo(kOnlyGpu);
    failure.set_free_bytes(free_bytes);
    failure.set_total_bytes(total_bytes);
  } catch (const std::exception&) {
  }
  return failure;
}

std::string CudaDevice::cuda_version() const {
  const long version = at::detail::getCUDAHooks().versionCUDART();  // 13000 is 13.0
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void OpenLibrary(const char* name) {
  if (dlopen(name, RTLD_NOW | RTLD_GLOBAL) != nullptr) return;
  throw DeviceUnusable(std::string("a CUDA library of LibTorch 2.11.0 is missing: ") + dlerror() +
                       "; it comes with `pip install torch==2.11.0`, and with "
                       "`deploy/fetch_libtorch.sh --cuda yes`");
}

// LibTorch finds most of what it needs beside itself, as the wheels lie; where LD_LIBRARY_PATH
// alone leads to them, these two must be there already. Loading asks nothing of the driver: the
// CUDA runtime does so at its first call.
void OpenLibraries() {
  OpenLibrary("libnvrtc.so.13");
  OpenLibrary("libnvJitLink.so.13");
  OpenLibrary("libtorch_cuda.so");
}

// The order matters. cudaMemGetInfo makes the context of the GPU, and asks no allocator: what is
// free then is free before the first tensor. Only after that is the allocator initialised, without
// which its statistics and its fraction are errors ("Invalid device argument"): LibTorch would do
// it with the first tensor.
std::pair<size_t, size_t> StartAllocator() {
  const auto free_and_total = at::accelerator::getMemoryInfo(kOnlyGpu);
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
  return free_and_total;
}

}  // namespace

std::unique_ptr<Device> OpenCudaDevice(const v1::WorkerRequest& request) {
  // Read by the driver when it starts, so it comes before any other call.
  setenv("CUDA_VISIBLE_DEVICES", request.device().uuid().c_str(), 1);
  const GpuModel gpu = AskCudaDriver(request.device().uuid());
  CheckSupported(gpu);
  CheckPrecision(request.workload().transformer_lm().precision(), gpu);
  OpenLibraries();
  if (!at::globalContext().hasCUDA() || at::accelerator::deviceCount() < 1) {
    throw DeviceUnusable("no CUDA device: LibTorch does not see " + request.device().uuid() +
                         ", which the driver offers");
  }
  const auto at_start = StartAllocator();
  if (request.plan().has_memory_fraction()) {
    CudaExtras().set_memory_fraction(request.plan().memory_fraction(), kOnlyGpu);
  }
  return std::make_unique<CudaDevice>(gpu, at_start);
}

}  // namespace torchlap::worker
