#include "client/value_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "client/parse_words.h"

namespace torchlap::client {
namespace {

// Appends what is not there yet: an axis is a set that keeps its order.
template <typename Value>
void AppendOnce(std::vector<Value>* values, Value value) {
  if (std::find(values->begin(), values->end(), value) == values->end()) {
    values->push_back(std::move(value));
  }
}

struct Range {
  uint32_t first = 0;
  uint32_t last = 0;
  uint32_t step = 1;
  bool geometric = false;
};

std::optional<Range> ReadRange(std::string_view text) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  Range range;
  const auto first = ReadNumber<uint32_t>(text.substr(0, dots));
  std::string_view rest = text.substr(dots + 2);
  if (const size_t mark = rest.find_first_of("*+"); mark != std::string_view::npos) {
    const auto step = ReadNumber<uint32_t>(rest.substr(mark + 1));
    range.geometric = rest[mark] == '*';
    if (!step || *step < (range.geometric ? 2 : 1)) return std::nullopt;
    range.step = *step;
    rest = rest.substr(0, mark);
  }
  const auto last = ReadNumber<uint32_t>(rest);
  if (!first || !last || *first > *last) return std::nullopt;
  // 0 times anything stays 0: such a range would have no end.
  if (range.geometric && *first == 0) return std::nullopt;
  range.first = *first;
  range.last = *last;
  return range;
}

absl::Status TooMany(const std::string& what, const std::string& word) {
  return Invalid(
      fmt::format("{} is {}, which is more than {} values in all", what, word, kMostValues));
}

absl::Status AppendRange(const std::string& what, const std::string& word, const Range& range,
                         std::vector<uint32_t>* numbers) {
  // One with a factor has 32 values at most.
  if (!range.geometric && (range.last - range.first) / range.step >= kMostValues) {
    return TooMany(what, word);
  }
  for (uint64_t value = range.first; value <= range.last;
       value = range.geometric ? value * range.step : value + range.step) {
    AppendOnce(numbers, static_cast<uint32_t>(value));
  }
  return absl::OkStatus();
}

absl::Status AppendNumbers(const std::string& what, const std::string& word,
                           std::vector<uint32_t>* numbers) {
  if (const auto number = ReadNumber<uint32_t>(word)) {
    AppendOnce(numbers, *number);
    return absl::OkStatus();
  }
  if (const auto range = ReadRange(word)) return AppendRange(what, word, *range, numbers);
  return Invalid(
      fmt::format("{} is {}, must be a whole number (256), a list (128,256) or a rising range "
                  "(128..1024*2, 128..1024+128, 1..4)",
                  what, word));
}

}  // namespace

std::vector<std::string> SplitAt(char separator, const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (true) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

absl::StatusOr<std::vector<std::string>> ParseList(const std::string& what,
                                                   const std::vector<std::string>& words) {
  std::vector<std::string> values;
  for (const std::string& word : words) {
    for (std::string& value : SplitAt(',', word)) {
      if (value.empty()) {
        return Invalid(fmt::format("{} has an empty value in '{}'", what, word));
      }
      AppendOnce(&values, std::move(value));
    }
  }
  return values;
}

absl::StatusOr<std::vector<uint32_t>> ParseNumbers(const std::string& what,
                                                   const std::vector<std::string>& words) {
  absl::StatusOr<std::vector<std::string>> list = ParseList(what, words);
  if (!list.ok()) return list.status();
  std::vector<uint32_t> numbers;
  for (const std::string& word : *list) {
    if (absl::Status status = AppendNumbers(what, word, &numbers); !status.ok()) return status;
    if (numbers.size() > kMostValues) return TooMany(what, word);
  }
  return numbers;
}

absl::StatusOr<uint32_t> ParseLimit(const std::optional<std::string>& text, uint32_t unset) {
  if (!text) return unset;
  if (const auto limit = ReadNumber<uint32_t>(*text); limit && *limit > 0) return *limit;
  return Invalid(fmt::format("--limit is {}, must be a whole number from 1", *text));
}

}  // namespace torchlap::client
