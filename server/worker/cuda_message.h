// What only the text of LibTorch's CUDA out-of-memory error says.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace torchlap::worker {

// The size behind `Tried to allocate`, `20.00 MiB`, in bytes (LibTorch gives two decimals of its
// unit, so it is rounded). Nothing if the text has none.
std::optional<uint64_t> AskedBytes(std::string_view out_of_memory_message);

}  // namespace torchlap::worker
