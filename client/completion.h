// Words that may follow on a command line, and the scripts by which shells ask for them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace torchlap::client {

// What only the daemon knows.
enum class Known { kPresets, kDevices, kSelectors, kLabels, kSuites };
// Empty where nobody answers.
using AskKnown = std::function<std::vector<std::string>(Known)>;

// The words that may stand in place of the last of `words`, which are those behind the program's
// name; the last may be empty or begun. Of a comma list the last part is completed. Empty: nothing
// is known, as where a file is meant.
std::vector<std::string> CompleteWords(const std::vector<std::string>& words, const AskKnown& ask);

// The script of `bash`, `zsh` or `fish`, which asks `torchlap completion words`; it says how it is
// installed. Nothing for another shell.
std::optional<std::string> CompletionScript(const std::string& shell);

}  // namespace torchlap::client
