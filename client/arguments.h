// The command line, read. CLI11 is behind this header (and behind flags.h).
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/commands/commands.h"

namespace torchlap::client {

// --help or --version: text for stdout.
struct InformationText {
  std::string text;
};

struct Arguments {
  std::optional<std::string> address;
  CommandOptions command;
};

// `words`: without the program's name. INVALID_ARGUMENT: one line, what is wrong and what would be
// right.
absl::StatusOr<std::variant<InformationText, Arguments>> ParseArguments(
    const std::vector<std::string>& words);

}  // namespace torchlap::client
