// How much a filter or selector may name. A larger one is refused before SQLite sees it, so that
// nobody's request becomes a load for everybody.
#pragma once

#include <absl/status/status.h>

#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

inline constexpr int kMostIds = 100'000;  // jobs, sweeps, runs: of each; a full queue
inline constexpr int kMostLabels = 20;    // as many as a job may have
inline constexpr int kMostNames = 100;  // names of sizes, devices, users, sweeps; words of an enum

// INVALID_ARGUMENT names the field: `labels has 1100 entries, must have at most 20`.
absl::Status CheckLimits(const v1::Selector& selector);
absl::Status CheckLimits(const v1::RunFilter& filter);
// The same of a list of a request of its own.
absl::Status CheckLimit(const char* field, int entries, int most);

}  // namespace torchlap::storage
