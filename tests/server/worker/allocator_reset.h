// Tests that install an allocator leave the process as they found it.
#pragma once

#include <c10/core/CPUAllocator.h>

namespace torchlap::worker {

class AllocatorReset {
 public:
  AllocatorReset() = default;
  ~AllocatorReset() { c10::SetCPUAllocator(c10::GetDefaultCPUAllocator()); }
  AllocatorReset(const AllocatorReset&) = delete;
  AllocatorReset& operator=(const AllocatorReset&) = delete;
};

}  // namespace torchlap::worker
