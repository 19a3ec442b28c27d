// Lists and ranges of values, as flags take them.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace torchlap::client {

// More values than cells of a sweep (SubmitJobs) make no sense.
inline constexpr size_t kMostValues = 10000;

// The parts of a text, one more than it has separators.
std::vector<std::string> SplitAt(char separator, const std::string& text);

// Words and comma lists to their values, in order, each once. INVALID_ARGUMENT: an empty value.
absl::StatusOr<std::vector<std::string>> ParseList(const std::string& what,
                                                   const std::vector<std::string>& words);

// The same for numbers, with the ranges `1..4`, `128..1024+128` and `128..1024*2`; the end is in
// the range when the steps reach it. INVALID_ARGUMENT: not a number from 0 to 2^32 - 1, an empty
// range, more than 10,000 values.
absl::StatusOr<std::vector<uint32_t>> ParseNumbers(const std::string& what,
                                                   const std::vector<std::string>& words);

// What --limit says: a whole number from 1; `unset` where it is not given. INVALID_ARGUMENT:
// anything else.
absl::StatusOr<uint32_t> ParseLimit(const std::optional<std::string>& text, uint32_t unset);

}  // namespace torchlap::client
