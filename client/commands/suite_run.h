// What `run --file` and `submit --file` do.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/suite_file.h"

namespace torchlap::client {

// INVALID_ARGUMENT: a sweep that would be compared by what is no axis, or, without a baseline, by
// what all its cells have in common.
absl::Status CheckComparisons(const SuiteFile& suite);

// Asks the daemon for each sweep that is a baseline and not of the file. INVALID_ARGUMENT: it is
// not stored either; the message names what is close to it. Else an error is the call's.
absl::Status CheckBaselinesAreThere(const SuiteFile& suite, DaemonChannel* channel);

// Submits all sweeps of the file in its order, or none, follows them, and prints a table for each
// and, with a key `baseline` or `by`, how it compares; for programs, and with -o, all runs at once.
// As `run` does otherwise (followed_sweep.h). With --dry-run: prints what each cell needs and
// takes, also where no daemon is reached (known_already.h), and submits nothing.
absl::StatusOr<int> RunSuiteFile(const RunOptions& options, const Invocation& invocation);

// Submits all sweeps of the file, or none, and prints their ids; --dry-run as above.
absl::StatusOr<int> SubmitSuiteFile(const SubmitOptions& options, const Invocation& invocation);

}  // namespace torchlap::client
