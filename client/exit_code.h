// What the program's exit code says (cli.md, "Exit codes").
#pragma once

#include <absl/status/status.h>

#include <string>

namespace torchlap::client {

inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 1;
inline constexpr int kExitJobFailed = 2;
inline constexpr int kExitUnavailable = 3;
inline constexpr int kExitRefused = 4;
inline constexpr int kExitTimedOut = 124;
inline constexpr int kExitInterrupted = 130;

// OK is 0, INVALID_ARGUMENT 1, UNAVAILABLE 3, everything else 4.
int ExitCodeOf(const absl::Status& status);

// The status' message on one line: control characters become spaces; a status without a message
// gives the name of its code.
std::string OneLine(const absl::Status& status);

}  // namespace torchlap::client
