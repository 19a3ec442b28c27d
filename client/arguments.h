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

// A flag, or the words behind a command, as they can be completed.
struct FlagWords {
  std::vector<std::string> names;  // `--output`, `-o`; of the words behind a command `SELECTOR`
  std::string type;                // of its value, as help has it; empty: it takes none
  std::string help;
  std::string group;     // the title above it; of a flag without one `Options`
  bool is_list = false;  // takes several words
};

struct CommandWords {
  std::string name;
  std::string description;
  std::string footer;  // below its help; may be empty
  std::vector<FlagWords> flags;
  std::vector<FlagWords> positionals;
};

// What stands before a command (its name is empty), then every command in the order of the help.
std::vector<CommandWords> AllCommands();

}  // namespace torchlap::client
