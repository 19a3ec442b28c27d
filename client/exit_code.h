// What the program's exit code says; README.md lists them for people.
#pragma once

#include <absl/status/status.h>

#include <string>

namespace torchlap::client {

inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 1;
inline constexpr int kExitJobFailed = 2;
inline constexpr int kExitProblemFound = 2;  // of doctor
inline constexpr int kExitUnavailable = 3;
inline constexpr int kExitRefused = 4;
// What --fail-on named has happened.
inline constexpr int kExitFailOn = 5;
// The result could not be written. What was done all the same stands on stderr.
inline constexpr int kExitOutput = 6;
inline constexpr int kExitTimedOut = 124;
inline constexpr int kExitInterrupted = 130;
inline constexpr int kExitTerminated = 143;

// An error of the place that results are written to: a full disk, a folder that is not there. It
// keeps its mark under WithRemark.
absl::Status OutputError(const std::string& message);
bool IsOutputError(const absl::Status& status);

// The same error with more behind its message: `MESSAGE; REMARK`.
absl::Status WithRemark(const absl::Status& status, const std::string& remark);

// OK is 0, an output error 6, INVALID_ARGUMENT 1, UNAVAILABLE 3, everything else 4.
int ExitCodeOf(const absl::Status& status);

// The status' message on one line, fit for a terminal: ends of lines and tabs become spaces, what
// else cannot be seen an escape (proto/base/visible_text.h). A status without a message gives the
// name of its code.
std::string OneLine(const absl::Status& status);

}  // namespace torchlap::client
