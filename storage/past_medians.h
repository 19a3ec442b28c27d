// What earlier launches of a series took.
#pragma once

#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/database.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::storage {

inline constexpr size_t kMostPastLaunches = 200;

// Medians in nanoseconds, by phase: v1::Phase as a number, 0 the step; without `build`. A run that
// did not time a phase is missing there.
using PastMedians = std::array<std::vector<double>, v1::Phase_ARRAYSIZE>;

// Of the newest kMostPastLaunches runs of the run's series that started before `before_ns`: of
// purpose `measure`, OK and not contaminated, asked for as the run was (a size that a ladder came
// down to has a past of its own). `only_owner`: the principal whose runs alone are there; empty:
// everyone's. Nothing where there is no such run, or its series is not known. Looks at 2000 runs at
// most of each kind (run_kind), so that a long history costs no more than a short one. Thread-safe.
absl::StatusOr<PastMedians> ReadPastMedians(const Database& database, const std::string& run_id,
                                            int64_t before_ns, const std::string& only_owner);

}  // namespace torchlap::storage
