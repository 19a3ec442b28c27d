// What of a GPU's memory is in use while nobody uses it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace torchlap {

// The most that displays, idle processes and a MIG instance's own show: 1 GiB, and an eighth of the
// device where its memory is known. storage/own_fault.cc has it in SQL too.
constexpr uint64_t MostIdleBytes(std::optional<uint64_t> device_bytes) {
  constexpr uint64_t kMost = uint64_t{1} << 30;
  constexpr uint64_t kParts = 8;
  return device_bytes ? std::min(kMost, *device_bytes / kParts) : kMost;
}

}  // namespace torchlap
