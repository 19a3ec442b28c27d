// The program gnuplot, where it is installed.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>

namespace torchlap::client {

// The first `gnuplot` of PATH that can be executed; nothing: there is none.
std::optional<std::string> FindGnuplot();

// What it writes to its standard output for the script. It reads no settings of the user's, and
// nothing goes through a shell. FAILED_PRECONDITION: it does not start, fails, or writes nothing,
// with what it says.
absl::StatusOr<std::string> RunGnuplot(const std::string& program, const std::string& script);

}  // namespace torchlap::client
