#include "server/worker/cpu_allocator.h"
#include "server/worker/device.h"

namespace torchlap::worker {
namespace {

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(CpuAllocator* allocator) : allocator_(allocator) {}

  c10::Device torch_device() const override { return c10::Device(c10::DeviceType::CPU); }
  void Synchronise() override {}  // an operation has ended when its call returns
  std::unique_ptr<DeviceClock> MakeClock() override { return nullptr; }
  void ResetPeaks() override { allocator_->ResetPeak(); }
  MemoryPeak Peaks() const override { return {allocator_->peak_bytes(), std::nullopt}; }
  v1::MemoryUse AtStart() const override;
  v1::Failure DescribeOutOfMemory(const std::string& message) const override;
  std::optional<GpuModel> gpu() const override { return std::nullopt; }
  std::string cuda_version() const override { return ""; }

 private:
  CpuAllocator* const allocator_;  // lives as long as the program
};

v1::MemoryUse CpuDevice::AtStart() const {
  v1::MemoryUse memory;
  if (allocator_->limit_bytes() == 0) return memory;
  memory.set_device_total_bytes(allocator_->limit_bytes());
  memory.set_device_free_bytes(allocator_->limit_bytes());
  return memory;
}

v1::Failure CpuDevice::DescribeOutOfMemory(const std::string&) const {
  v1::Failure failure;
  // By now the stack was unwound and its tensors are freed: the allocator kept the numbers of the
  // moment.
  const std::optional<CpuAllocator::Refusal> refusal = allocator_->last_refusal();
  if (!refusal) return failure;
  failure.set_asked_bytes(refusal->asked_bytes);
  failure.set_allocated_bytes(refusal->allocated_bytes);
  if (allocator_->limit_bytes() == 0) return failure;
  failure.set_total_bytes(allocator_->limit_bytes());
  failure.set_free_bytes(allocator_->limit_bytes() - refusal->allocated_bytes);
  return failure;
}

}  // namespace

std::unique_ptr<Device> OpenCpuDevice(uint64_t memory_limit_bytes) {
  return std::make_unique<CpuDevice>(CpuAllocator::Install(memory_limit_bytes));
}

}  // namespace torchlap::worker
