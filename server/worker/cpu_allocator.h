// Memory of tensors on the CPU: counted, and limited.
#pragma once

#include <c10/core/Allocator.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proto/base/mutex.h"

namespace torchlap::worker {

// LibTorch's own allocation of CPU memory, with a count of live bytes, their peak, and a limit.
// Memory that does not belong to a tensor (code, heap, scratch of the math libraries) is not seen:
// the process is larger than the count. Thread-safe. Blocks refer to their allocator, which must
// outlive them.
class CpuAllocator final : public c10::Allocator {
 public:
  // An allocation that did not fit.
  struct Refusal {
    uint64_t asked_bytes;
    uint64_t allocated_bytes;  // live at that moment
  };

  // `limit_bytes` 0: no limit but the system's.
  explicit CpuAllocator(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // Makes a CpuAllocator the one of all CPU tensors that are made from now on. It lives as long as
  // the program, because LibTorch keeps it.
  static CpuAllocator* Install(uint64_t limit_bytes);

  // Throws c10::OutOfMemoryError, as the CUDA allocator does, if the limit would be exceeded or the
  // system has no more. `size` 0 gives a null pointer.
  c10::DataPtr allocate(size_t size) override;
  c10::DeleterFnPtr raw_deleter() const override;
  void copy_data(void* to, const void* from, size_t size) const override;

  uint64_t limit_bytes() const { return limit_bytes_; }
  uint64_t allocated_bytes() const { return allocated_bytes_.load(std::memory_order_relaxed); }
  // Largest allocated_bytes since the last ResetPeak.
  uint64_t peak_bytes() const { return peak_bytes_.load(std::memory_order_relaxed); }
  void ResetPeak() { peak_bytes_.store(allocated_bytes(), std::memory_order_relaxed); }
  // The newest one, if there was any.
  std::optional<Refusal> last_refusal() const;

 private:
  struct BlockHeader;

  static void Free(void* data);
  void Count(uint64_t size);
  [[noreturn]] void Throw(uint64_t asked_bytes, uint64_t live_bytes);

  const uint64_t limit_bytes_;
  std::atomic<uint64_t> allocated_bytes_{0};
  std::atomic<uint64_t> peak_bytes_{0};
  mutable Mutex refusal_mutex_;
  std::optional<Refusal> last_refusal_ TORCHLAP_GUARDED_BY(refusal_mutex_);
};

}  // namespace torchlap::worker
