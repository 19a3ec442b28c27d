// The filters of runs, in one list: they are flags of commands, and words such as `precision=fp32`.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/selector.h"

namespace torchlap::client {

struct FilterFlag {
  using OneWord = std::optional<std::string> FilterWords::*;
  using Repeated = std::vector<std::string> FilterWords::*;
  using Switch = bool FilterWords::*;

  std::string name;  // `model-size`; the flag is `--model-size`
  std::variant<OneWord, Repeated, Switch> field;
  std::string help;
  std::string type;  // of the value, as the help shows it; of a switch empty
};

// In the order of the help.
const std::vector<FilterFlag>& FilterFlags();

// Adds what a text of several words says, parted by blanks: `sweep:3 precision=fp32 label=day=1`.
// Filters are NAME=VALUE, switches their name alone; other words are selectors, and so is what
// begins with `label:` or `sweep:`. A word that has blanks itself stands in quotes, single or
// double, within the text. Selectors are not looked at: BuildFilter does. INVALID_ARGUMENT: a
// filter that there is not, or without its value, or a second value of one that takes one.
absl::Status AddFilterText(const std::string& text, FilterWords* words);

// The text that AddFilterText takes as this one selector.
std::string FilterText(const std::string& selector);

// What both say. INVALID_ARGUMENT: a filter that takes one value is in both, as `words` and as
// `flags`; the message names it as either is typed.
absl::StatusOr<FilterWords> WithFlags(const FilterWords& flags, FilterWords words);

}  // namespace torchlap::client
