// Amounts of memory as people write and read them.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace torchlap::host {

// Bytes of `2GiB`, `1200MiB`, `1.5 GiB`, `512KiB`, `1TiB` or a plain number of bytes.
// INVALID_ARGUMENT in one line; 0 and what does not fit 63 bits are refused.
absl::StatusOr<uint64_t> ParseMemorySize(const std::string& text);

// One decimal in the largest unit that keeps the number at 1 or more: `25.4 GiB`, `992.0 MiB`, `17
// bytes`.
std::string PrintMemorySize(uint64_t bytes);

}  // namespace torchlap::host
