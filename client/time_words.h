// Durations and points in time as people write and read them.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace torchlap::client {

// `90s`, `15m`, `1h`, `1h30m`, `1.5h`, `500ms`, `7d`; a number without a unit is seconds. `what`
// names the flag in the message. INVALID_ARGUMENT: not a duration, negative, or more than 100
// years.
absl::StatusOr<std::chrono::nanoseconds> ParseDuration(const std::string& what,
                                                       const std::string& text);

// Nanoseconds since 1970 of an RFC 3339 time (`2026-01-31T12:00:00Z`, a zone is needed), a date
// (its first moment in UTC), or a duration before `now_ns` (`7d` or `7d ago`, with a unit).
// INVALID_ARGUMENT for anything else.
absl::StatusOr<int64_t> ParseTime(const std::string& what, const std::string& text, int64_t now_ns);

// The clock of this host.
int64_t UnixNowNs();

// `2026-01-31T12:00:00.000000Z`.
std::string Rfc3339(int64_t unix_ns);
// `2026-01-31 12:00`, in UTC.
std::string UtcMinute(int64_t unix_ns);

// Rounded for a person: `850 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
std::string ShortDuration(std::chrono::nanoseconds duration);

}  // namespace torchlap::client
