#include "client/time_words.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace torchlap::client {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr double kLongestSeconds = 100.0 * 365 * 86400;

std::optional<double> SecondsOfUnit(std::string_view unit) {
  if (unit == "ms") return 1e-3;
  if (unit.empty() || unit == "s") return 1.0;
  if (unit == "m" || unit == "min") return 60.0;
  if (unit == "h") return 3600.0;
  if (unit == "d") return 86400.0;
  return std::nullopt;
}

// Takes the longest run of characters that `belongs` from the front of *text.
template <typename Predicate>
std::string_view Take(std::string_view* text, Predicate belongs) {
  size_t length = 0;
  while (length < text->size() && belongs(static_cast<unsigned char>((*text)[length]))) ++length;
  const std::string_view taken = text->substr(0, length);
  text->remove_prefix(length);
  return taken;
}

// Nothing if `text` is not a duration. `unit_needed`: a bare number is none.
std::optional<double> ReadSeconds(std::string_view text, bool unit_needed) {
  double seconds = 0;
  bool first = true;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto digits = Take(&text, [](unsigned char c) { return std::isdigit(c) || c == '.'; });
    const auto unit = Take(&text, [](unsigned char c) { return std::isalpha(c) != 0; });
    double number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return {};
    if (unit.empty() && (unit_needed || !first)) return std::nullopt;
    const std::optional<double> scale = SecondsOfUnit(unit);
    if (!scale) return std::nullopt;
    seconds += number * *scale;
    first = false;
  }
  return seconds;
}

// `7d` of `7d ago`.
std::string_view WithoutAgo(std::string_view text) {
  constexpr std::string_view kAgo = "ago";
  if (!text.ends_with(kAgo)) return text;
  std::string_view before = text.substr(0, text.size() - kAgo.size());
  const size_t spaces = before.size() - (before.find_last_not_of(' ') + 1);
  if (spaces == 0) return text;
  before.remove_suffix(spaces);
  return before;
}

// Reads exactly `width` digits.
std::optional<int> TakeNumber(std::string_view* text, size_t width) {
  if (text->size() < width) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + width, number);
  if (error != std::errc() || end != text->data() + width || number < 0) return std::nullopt;
  text->remove_prefix(width);
  return number;
}

bool TakeAnyOf(std::string_view* text, std::string_view characters) {
  if (text->empty() || characters.find(text->front()) == std::string_view::npos) return false;
  text->remove_prefix(1);
  return true;
}

std::optional<int64_t> TakeDate(std::string_view* text) {
  const auto year = TakeNumber(text, 4);
  if (!year || !TakeAnyOf(text, "-")) return std::nullopt;
  const auto month = TakeNumber(text, 2);
  if (!month || !TakeAnyOf(text, "-")) return std::nullopt;
  const auto day = TakeNumber(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *year < 1970 || *year > 2200) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * 86400 * kNsPerSecond;
}

std::optional<int64_t> TakeFraction(std::string_view* text) {
  if (!TakeAnyOf(text, ".")) return 0;
  const auto digits = Take(text, [](unsigned char c) { return std::isdigit(c) != 0; });
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  std::string padded(digits);
  padded.resize(9, '0');
  return std::strtoll(padded.c_str(), nullptr, 10);
}

std::optional<int64_t> TakeClock(std::string_view* text) {
  const auto hour = TakeNumber(text, 2);
  if (!hour || !TakeAnyOf(text, ":")) return std::nullopt;
  const auto minute = TakeNumber(text, 2);
  if (!minute || !TakeAnyOf(text, ":")) return std::nullopt;
  const auto second = TakeNumber(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto fraction = TakeFraction(text);
  if (!fraction) return std::nullopt;
  return (int64_t{*hour} * 3600 + *minute * 60 + *second) * kNsPerSecond + *fraction;
}

// What must be taken off a local time to get UTC.
std::optional<int64_t> TakeZone(std::string_view* text) {
  if (TakeAnyOf(text, "Zz")) return 0;
  const bool east = !text->empty() && text->front() == '+';
  if (!TakeAnyOf(text, "+-")) return std::nullopt;
  const auto hours = TakeNumber(text, 2);
  if (!hours || !TakeAnyOf(text, ":")) return std::nullopt;
  const auto minutes = TakeNumber(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const int64_t offset = (int64_t{*hours} * 3600 + *minutes * 60) * kNsPerSecond;
  return east ? offset : -offset;
}

std::optional<int64_t> ReadTime(std::string_view text) {
  const auto day = TakeDate(&text);
  if (!day) return std::nullopt;
  if (text.empty()) return *day;
  if (!TakeAnyOf(&text, "Tt ")) return std::nullopt;
  const auto clock = TakeClock(&text);
  if (!clock) return std::nullopt;
  const auto zone = TakeZone(&text);
  if (!zone || !text.empty()) return std::nullopt;
  return *day + *clock - *zone;
}

std::string TwoUnits(int64_t large, const char* large_unit, int64_t small, const char* small_unit) {
  if (small == 0) return fmt::format("{} {}", large, large_unit);
  return fmt::format("{} {} {} {}", large, large_unit, small, small_unit);
}

}  // namespace

absl::StatusOr<std::chrono::nanoseconds> ParseDuration(const std::string& what,
                                                       const std::string& text) {
  const std::optional<double> seconds = ReadSeconds(text, /*unit_needed=*/false);
  if (!seconds || *seconds > kLongestSeconds) {
    return absl::InvalidArgumentError(
        fmt::format("{} is {}, must be a time such as 90s, 15m, 1h or 1h30m", what, text));
  }
  return std::chrono::nanoseconds(std::llround(*seconds * 1e9));
}

absl::StatusOr<int64_t> ParseTime(const std::string& what, const std::string& text,
                                  int64_t now_ns) {
  if (const auto time = ReadTime(text)) return *time;
  const std::optional<double> seconds = ReadSeconds(WithoutAgo(text), /*unit_needed=*/true);
  if (seconds && *seconds <= kLongestSeconds) {
    const int64_t then_ns = now_ns - std::llround(*seconds * 1e9);
    return then_ns > 0 ? then_ns : 1;  // 0 would mean that the filter is open
  }
  return absl::InvalidArgumentError(
      fmt::format("{} is {}, must be a date (2026-01-31), a time (2026-01-31T12:00:00Z) or a time "
                  "ago (7d, 12h, 7d ago)",
                  what, text));
}

int64_t UnixNowNs() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string Rfc3339(int64_t unix_ns) {
  const std::chrono::sys_time<std::chrono::microseconds> time{
      std::chrono::floor<std::chrono::microseconds>(std::chrono::nanoseconds(unix_ns))};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string UtcMinute(int64_t unix_ns) {
  const std::string stamp = Rfc3339(unix_ns);
  return stamp.substr(0, 10) + " " + stamp.substr(11, 5);
}

std::string ShortDuration(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1e3);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return TwoUnits(whole / 60, "min", whole % 60, "s");
  if (whole < 86400) return TwoUnits(whole / 3600, "h", whole % 3600 / 60, "min");
  return TwoUnits(whole / 86400, "d", whole % 86400 / 3600, "h");
}

}  // namespace torchlap::client
