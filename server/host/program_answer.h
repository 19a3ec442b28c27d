// What a small program says, asked once.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace torchlap::host {

struct Question {
  // The first is the program; without a slash it is looked for on PATH.
  std::vector<std::string> command;
  // The whole environment, `NAME=value`.
  std::vector<std::string> environment;
  std::chrono::milliseconds deadline{5000};
};

// What it wrote to stdout, at most 1 MiB; its stdin and stderr are /dev/null. Nothing if it cannot
// be started, failed, or was not done at the deadline: it is killed then, with all that it started.
// Blocks. Thread-safe.
std::optional<std::string> Ask(const Question& question);

}  // namespace torchlap::host
