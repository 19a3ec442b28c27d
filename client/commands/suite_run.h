// What `run --file` and `submit --file` do.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "client/commands/commands.h"
#include "client/suite_file.h"

namespace torchlap::client {

// INVALID_ARGUMENT: a sweep that would be compared by what is no axis.
absl::Status CheckComparisons(const SuiteFile& suite);

// Submits all sweeps of the file in its order, or none, follows them, and prints a table for each
// and, with a key `baseline` or `by`, how it compares; for programs, and with -o, all runs at once.
// As `run` does otherwise (followed_sweep.h).
absl::StatusOr<int> RunSuiteFile(const RunOptions& options, const Invocation& invocation);

// Submits all sweeps of the file, or none, and prints their ids.
absl::StatusOr<int> SubmitSuiteFile(const SubmitOptions& options, const Invocation& invocation);

}  // namespace torchlap::client
