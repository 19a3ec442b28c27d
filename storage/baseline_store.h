// The runs that users hold new ones against: of each user one set for each series. That
// JobFilter::baseline_of selects them is in run_query.h.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"
#include "storage/series_points.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

inline constexpr uint32_t kMostBaselineRuns = 10'000;

struct BaselineRun {
  SeriesPoint point;
  std::string reason;
  int64_t set_at_ns = 0;
};

// Thread-safe.
class BaselineStore {
 public:
  // `database` outlives it.
  explicit BaselineStore(Database* database) : database_(database) {}

  struct Set {
    uint32_t series = 0;
    uint32_t runs = 0;
    uint32_t replaced_series = 0;  // of these, had a baseline before
  };
  // Replaces the caller's baseline of each series that the chosen runs have: the OK runs that
  // ReadSeriesPoints finds, of purpose `measure` alone, without contaminated ones where a series
  // has others. Baselines of other series stay. FAILED_PRECONDITION: there are no such runs;
  // INVALID_ARGUMENT: more than kMostBaselineRuns, or as RunStore::List. Nothing is changed then.
  absl::StatusOr<Set> Replace(const Caller& caller, const v1::RunFilter& filter,
                              const JobFilter& selected, const std::string& reason, int64_t now_ns);

  // The baseline of `user` (principal or account name) by series, by start within each; runs of
  // `only_owner` alone, if there is one. A run that was declared invalid, or did not time the
  // phase, is left out. Nobody of that name has none.
  absl::StatusOr<std::vector<BaselineRun>> List(const std::string& user,
                                                const std::string& only_owner,
                                                v1::Phase phase) const;

  // Forgets the caller's baseline of the series that the chosen runs are of. How many had one.
  // INVALID_ARGUMENT as RunStore::List.
  absl::StatusOr<uint32_t> Clear(const Caller& caller, const v1::RunFilter& filter,
                                 const JobFilter& selected);
  // Of every series.
  absl::StatusOr<uint32_t> ClearAll(const Caller& caller);

 private:
  absl::StatusOr<std::set<int64_t>> SeriesOf(const v1::RunFilter& filter,
                                             const JobFilter& selected) const;

  Database* const database_;
};

}  // namespace torchlap::storage
