#include "server/worker/cpu_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/alignment.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>

#include <new>
#include <string>

namespace torchlap::worker {

// In front of each block, because a deleter is told nothing but the address. As large as the
// alignment, so that the tensor's data is aligned as it is without us.
struct alignas(c10::gAlignment) CpuAllocator::BlockHeader {
  CpuAllocator* owner;
  uint64_t size;
};

CpuAllocator* CpuAllocator::Install(uint64_t limit_bytes) {
  auto* allocator = new CpuAllocator(limit_bytes);
  c10::SetCPUAllocator(allocator);
  return allocator;
}

c10::DataPtr CpuAllocator::allocate(size_t size) {
  const c10::Device cpu(c10::DeviceType::CPU);
  if (size == 0) return {nullptr, nullptr, &Free, cpu};
  Count(size);
  void* block = nullptr;
  try {
    block = c10::alloc_cpu(sizeof(BlockHeader) + size);
  } catch (const c10::Error&) {  // not typed, and with a backtrace in its text
    Throw(size, allocated_bytes_.fetch_sub(size, std::memory_order_relaxed) - size);
  }
  auto* header = new (block) BlockHeader{this, size};
  void* data = header + 1;
  return {data, data, &Free, cpu};
}

void CpuAllocator::Free(void* data) {
  if (data == nullptr) return;
  BlockHeader* header = static_cast<BlockHeader*>(data) - 1;
  header->owner->allocated_bytes_.fetch_sub(header->size, std::memory_order_relaxed);
  c10::free_cpu(header);
}

void CpuAllocator::Count(uint64_t size) {
  const uint64_t before = allocated_bytes_.fetch_add(size, std::memory_order_relaxed);
  const uint64_t live = before + size;
  if (limit_bytes_ != 0 && live > limit_bytes_) {
    allocated_bytes_.fetch_sub(size, std::memory_order_relaxed);
    Throw(size, before);
  }
  uint64_t peak = peak_bytes_.load(std::memory_order_relaxed);
  while (peak < live && !peak_bytes_.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

void CpuAllocator::Throw(uint64_t asked_bytes, uint64_t live_bytes) {
  {
    MutexLock lock(&refusal_mutex_);
    last_refusal_ = Refusal{asked_bytes, live_bytes};
  }
  const std::string limit = limit_bytes_ == 0 ? "no limit was set, the system has no more"
                                              : "the limit is " + std::to_string(limit_bytes_);
  TORCH_CHECK_WITH(OutOfMemoryError, false, "out of memory: asked for ", asked_bytes, " bytes, ",
                   live_bytes, " are allocated, ", limit);
}

std::optional<CpuAllocator::Refusal> CpuAllocator::last_refusal() const {
  MutexLock lock(&refusal_mutex_);
  return last_refusal_;
}

c10::DeleterFnPtr CpuAllocator::raw_deleter() const { return &Free; }

void CpuAllocator::copy_data(void* to, const void* from, size_t size) const {
  default_copy_data(to, from, size);
}

}  // namespace torchlap::worker
