// One word of the command line to one value. INVALID_ARGUMENT: what, the word, and what would be
// right.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <charconv>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proto/words.h"

namespace torchlap::client {

inline absl::Status Invalid(std::string message) { return absl::InvalidArgumentError(message); }

// All of the text as a number; nothing if it is not one.
template <typename Number>
std::optional<Number> ReadNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// `what` is the flag.
template <typename Integer>
absl::StatusOr<Integer> ParseInteger(const std::string& what, const std::string& text) {
  if (const auto number = ReadNumber<Integer>(text)) return *number;
  return Invalid(fmt::format("{} is {}, must be a whole number from {} to {}", what, text,
                             std::numeric_limits<Integer>::min(),
                             std::numeric_limits<Integer>::max()));
}

// A word of an enum of the contract.
template <typename Enum>
absl::StatusOr<Enum> ParseOneWord(const std::string& what, const std::string& text) {
  if (const auto value = ParseWord<Enum>(text)) return *value;
  return Invalid(fmt::format("{} is {}, must be one of {}", what, text, Words<Enum>()));
}

// Sets the target, or passes the error on.
template <typename Value>
absl::Status Assign(absl::StatusOr<Value> parsed, Value* target) {
  if (!parsed.ok()) return parsed.status();
  *target = *std::move(parsed);
  return absl::OkStatus();
}

template <typename Value>
absl::Status Assign(absl::StatusOr<Value> parsed, std::optional<Value>* target) {
  if (!parsed.ok()) return parsed.status();
  *target = *std::move(parsed);
  return absl::OkStatus();
}

inline absl::Status FirstError(std::initializer_list<absl::Status> statuses) {
  for (const absl::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// INVALID_ARGUMENT where the text has what others would not see (proto/base/visible_text.h).
absl::Status CheckVisible(const std::string& what, const std::string& text);

// `k=v` to a pair. INVALID_ARGUMENT: no `=`, or an empty key, or CheckVisible's.
absl::StatusOr<std::pair<std::string, std::string>> ParsePair(const std::string& what,
                                                              const std::string& text);

// `1%`, `0.5%` or `0.01` to a ratio.
absl::StatusOr<double> ParseRatio(const std::string& what, const std::string& text);

}  // namespace torchlap::client
