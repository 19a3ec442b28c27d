#include "server/worker/cuda_message.h"

#include <charconv>
#include <cmath>

namespace torchlap::worker {
namespace {

// The units of format_size in c10/cuda/CUDACachingAllocator.cpp.
std::optional<double> UnitBytes(std::string_view text) {
  if (text.starts_with("bytes")) return 1.0;
  if (text.starts_with("KiB")) return 1024.0;
  if (text.starts_with("MiB")) return 1024.0 * 1024;
  if (text.starts_with("GiB")) return 1024.0 * 1024 * 1024;
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> AskedBytes(std::string_view out_of_memory_message) {
  constexpr std::string_view kBefore = "Tried to allocate ";
  const size_t at = out_of_memory_message.find(kBefore);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view text = out_of_memory_message.substr(at + kBefore.size());
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (!text.starts_with(' ')) return std::nullopt;
  const std::optional<double> unit = UnitBytes(text.substr(1));
  if (!unit) return std::nullopt;
  return static_cast<uint64_t>(std::llround(amount * *unit));
}

}  // namespace torchlap::worker
