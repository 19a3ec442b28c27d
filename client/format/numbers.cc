#include "client/format/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace torchlap::client::format {
namespace {

constexpr int kMostDecimals = 6;  // a nanosecond, in milliseconds

// 8.45 is a little less than that in binary, and people round it up. A part in 10^12 is far below
// any clock.
double Nudged(double value) { return value * (1 + 1e-12); }

// The power of ten of the first digit that is left after rounding to `digits` significant
// ones: 9.96 with two digits is 10, so 1 and not 0.
int ExponentAfterRounding(double value, int digits) {
  const std::string text = fmt::format("{:.{}e}", Nudged(value), digits - 1);
  return std::atoi(text.c_str() + text.find('e') + 1);
}

// Negative decimals round to tens, hundreds and so on.
std::string Rounded(double value, int decimals) {
  if (decimals >= 0)
    return fmt::format("{:.{}f}", Nudged(value), std::min(decimals, kMostDecimals));
  const double scale = std::pow(10.0, -decimals);
  return fmt::format("{:.0f}", std::round(Nudged(value) / scale) * scale);
}

bool IsNoise(const std::optional<double>& noise) {
  return noise && std::isfinite(*noise) && *noise >= 0;
}

// Up to the second significant digit.
int DecimalsOf(double noise) { return 1 - ExponentAfterRounding(noise, 2); }

}  // namespace

std::string Measured(double mean, std::optional<double> std) {
  if (!IsNoise(std)) return Significant(mean, 4);
  if (*std == 0) return Significant(mean, 4) + " ± 0";
  return ToNoise(mean, std) + " ± " + ToNoise(*std, std);
}

std::string ToNoise(double value, std::optional<double> noise) {
  if (!IsNoise(noise) || *noise == 0) return Significant(value, 4);
  return Rounded(value, DecimalsOf(*noise));
}

std::string InInterval(double value, double low, double high) {
  const double half_width = (high - low) / 2;
  return fmt::format("{} [{}, {}]", ToNoise(value, half_width), ToNoise(low, half_width),
                     ToNoise(high, half_width));
}

std::string Significant(double value, int digits) {
  if (value == 0 || !std::isfinite(value)) return fmt::format("{:.0f}", value);
  return Rounded(value, digits - 1 - ExponentAfterRounding(value, digits));
}

std::string Percent(double ratio) { return Rounded(ratio * 100, 1) + " %"; }

std::string PercentShort(double ratio) {
  std::string digits = Significant(ratio * 100, 2);
  if (digits.size() > 2 && digits.substr(digits.size() - 2) == ".0")
    digits.resize(digits.size() - 2);
  return digits + " %";
}

std::string SignedPercent(double ratio) { return (ratio < 0 ? "" : "+") + PercentShort(ratio); }

std::string PerSecond(double rate, const std::string& unit) {
  constexpr std::array<const char*, 6> kPrefixes = {"", "k", "M", "G", "T", "P"};
  size_t prefix = 0;
  while (std::abs(rate) >= 999.5 && prefix + 1 < kPrefixes.size()) {
    rate /= 1000;
    ++prefix;
  }
  return fmt::format("{} {}{}/s", Significant(rate, 3), kPrefixes[prefix], unit);
}

std::string ParametersShort(uint64_t parameters) {
  const auto count = static_cast<double>(parameters);
  // The limits are where rounding would give 1000.0 of the smaller unit.
  if (count >= 999.95e6) return fmt::format("{:.2f}B", count / 1e9);
  if (count >= 999.95e3) return fmt::format("{:.1f}M", count / 1e6);
  if (count >= 1000) return fmt::format("{:.1f}K", count / 1e3);
  return fmt::format("{}", parameters);
}

std::string BytesShort(uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", Significant(value, value >= 1000 ? 4 : 3), kUnits[unit]);
}

std::string Ordinal(uint32_t number) {
  const uint32_t tens = number / 10 % 10;
  const uint32_t ones = number % 10;
  const bool is_th = tens == 1 || ones == 0 || ones > 3;
  return fmt::format("{}{}", number, is_th ? "th" : std::array{"", "st", "nd", "rd"}[ones]);
}

std::string Mebibytes(uint64_t bytes) {
  const double value = static_cast<double>(bytes) / (1024.0 * 1024.0);
  return fmt::format("{:.{}f}", value, value >= 100 ? 0 : 1);
}

}  // namespace torchlap::client::format
