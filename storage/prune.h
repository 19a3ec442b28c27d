// What is kept no longer: steps of old runs, and whole runs.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>

#include "storage/database.h"
#include "storage/records.h"
#include "torchlap/v1/filter.pb.h"

namespace torchlap::storage {

enum class Pruning { kCount, kDelete };

// A submit that comes meanwhile waits some 20 ms.
inline constexpr uint32_t kRunsOfATransaction = 500;

// Samples of finished runs that started before `before_ns`: how many runs have them. With kDelete
// they are deleted, in transactions of `runs_at_once` runs, between which others write. After an
// error what was deleted before stays so.
absl::StatusOr<uint64_t> PruneSamples(Database* database, int64_t before_ns, Pruning pruning,
                                      uint32_t runs_at_once = kRunsOfATransaction);

struct PrunedRuns {
  uint64_t runs = 0;
  // Of what was chosen, runs that stay: of a job that is not finished, in a baseline, or the
  // calibration that another run was held against.
  uint64_t of_unfinished_jobs = 0;
  uint64_t in_baselines = 0;
  uint64_t calibrations = 0;

  uint64_t kept() const { return of_unfinished_jobs + in_baselines + calibrations; }
};

// Finished runs that match (RunStore::Export), with all that is stored of them, and of their jobs
// and sweeps those that have nothing left afterwards. Counts and sums over runs
// (run_kind, run_rollup) are then those of the runs that are left, in each transaction of
// `runs_at_once` runs. Shared rows (workloads, devices, environments, accounts) stay. Files of a
// run are not the database's: they stay, too. A finding whose first run goes is told by the last
// one that shows it; it goes with the last of both. The filter must name something: an empty one is
// INVALID_ARGUMENT.
absl::StatusOr<PrunedRuns> PruneWholeRuns(Database* database, const v1::RunFilter& filter,
                                          const JobFilter& selected, Pruning pruning,
                                          uint32_t runs_at_once = kRunsOfATransaction);

}  // namespace torchlap::storage
