#include "server/host/memory_size.h"

#include <absl/strings/str_format.h>

#include <array>
#include <charconv>
#include <string_view>

namespace torchlap::host {
namespace {

struct MemoryUnit {
  std::string_view name;
  double bytes;
};

constexpr std::array<MemoryUnit, 4> kUnits = {
    {{"TiB", 1099511627776.0}, {"GiB", 1073741824.0}, {"MiB", 1048576.0}, {"KiB", 1024.0}}};
constexpr double kTooMany = 9223372036854775808.0;  // 2^63

// Bytes in the unit; 0 for a word that is none.
double UnitBytes(std::string_view word) {
  if (word.empty() || word == "B") return 1;
  for (const MemoryUnit& unit : kUnits) {
    if (word == unit.name) return unit.bytes;
  }
  return 0;
}

}  // namespace

absl::StatusOr<uint64_t> ParseMemorySize(const std::string& text) {
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  std::string_view word(end, static_cast<size_t>(last - end));
  while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
  const double bytes = error == std::errc() ? number * UnitBytes(word) : 0;
  // The negation also refuses what is not a number.
  if (!(bytes >= 1 && bytes < kTooMany)) {
    return absl::InvalidArgumentError("memory is '" + text +
                                      "', must be like 2GiB, 1200MiB or a number of bytes");
  }
  return static_cast<uint64_t>(bytes);
}

std::string PrintMemorySize(uint64_t bytes) {
  for (const MemoryUnit& unit : kUnits) {
    const double amount = static_cast<double>(bytes) / unit.bytes;
    if (amount >= 1) return absl::StrFormat("%.1f ", amount) + std::string(unit.name);
  }
  return std::to_string(bytes) + " bytes";
}

}  // namespace torchlap::host
