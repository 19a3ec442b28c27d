#include "server/host/time_span.h"

#include <absl/strings/str_cat.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "proto/ranges.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::host {
namespace {

struct TimeUnit {
  std::string_view name;
  int64_t ns;
};

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kDayNs = 86'400 * kSecondNs;
constexpr std::array<TimeUnit, 4> kUnits = {
    {{"d", kDayNs}, {"h", 3600 * kSecondNs}, {"m", 60 * kSecondNs}, {"s", kSecondNs}}};

// Nanoseconds in the unit; 0 for a word that is none.
int64_t UnitNs(std::string_view word) {
  for (const TimeUnit& unit : kUnits) {
    if (word == unit.name) return unit.ns;
  }
  return 0;
}

}  // namespace

absl::StatusOr<int64_t> ParseTimeSpan(const std::string& what, const std::string& text) {
  static const Range range = RangeOf<v1::Plan>(v1::Plan::kTimeLimitNsFieldNumber);
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  const std::string_view word(end, static_cast<size_t>(last - end));
  const double ns = error == std::errc() ? number * static_cast<double>(UnitNs(word)) : 0;
  // The negation also refuses what is not a number.
  if (!(ns >= range.min && ns <= range.max)) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " is '", text, "', must be a time like 90m, 24h or 7d, which is the most"));
  }
  return std::llround(ns);
}

std::string PrintTimeSpan(int64_t ns) {
  for (const TimeUnit& unit : kUnits) {
    const bool is_whole = ns >= unit.ns && ns % unit.ns == 0;
    // One day is 24 h.
    const bool is_one_day = unit.ns == kDayNs && ns == kDayNs;
    if (is_whole && !is_one_day) return absl::StrCat(ns / unit.ns, std::string(unit.name));
  }
  return absl::StrCat(static_cast<double>(ns) / static_cast<double>(kSecondNs), "s");
}

}  // namespace torchlap::host
