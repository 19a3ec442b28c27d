// Lengths of time as people write and read them.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace torchlap::host {

// Nanoseconds of `90s`, `15m`, `24h`, `1.5h` or `7d`. INVALID_ARGUMENT in one line, which names
// `what`; less than a millisecond and more than 7 days are refused, as no run may be limited so.
absl::StatusOr<int64_t> ParseTimeSpan(const std::string& what, const std::string& text);

// In the largest unit that it is a whole number of; a single day is hours: `7d`, `24h`, `90m`,
// `90.5s`.
std::string PrintTimeSpan(int64_t ns);

}  // namespace torchlap::host
