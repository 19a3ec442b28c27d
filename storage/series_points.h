// Runs as points of their series: the few columns that a look at a whole history needs.
#pragma once

#include <SQLiteCpp/Database.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"
#include "storage/run_query.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// An OK run of a series. Numbers of rows are the database's.
struct SeriesPoint {
  int64_t series = 0;
  int64_t run = 0;
  std::string run_id;  // `17.2`
  int64_t started_at_ns = 0;
  double median_ns = 0;  // of the phase
  v1::Validity validity = v1::VALIDITY_UNSPECIFIED;
  std::string environment_hash;  // empty: not known
};

struct SeriesPoints {
  std::vector<SeriesPoint> points;  // by start
  uint64_t unreadable = 0;          // runs whose row is not there
};

inline constexpr uint32_t kMostPoints = 20'000;

// OK runs of a series that timed the phase (unset: the step), contaminated ones too, of purpose
// `measure` unless the filter says otherwise. `selected` as RunStore::List. A filter for other
// outcomes than OK has none. RESOURCE_EXHAUSTED: more than kMostPoints match; INVALID_ARGUMENT as
// RunStore::List. PHASE_BUILD has no points.
absl::StatusOr<SeriesPoints> ReadSeriesPoints(const Database& database, const v1::RunFilter& filter,
                                              const JobFilter& selected, v1::Phase phase);

// The filter of OK runs that ReadSeriesPoints asks with. Nothing can match where it says so.
struct OkRuns {
  v1::RunFilter filter;
  bool nothing = false;
};
OkRuns OkRunsOf(const v1::RunFilter& filter);

// Within a transaction: the points of these runs, in their order. Throws SQLite::Exception.
SeriesPoints PointsOf(SQLite::Database& database, const std::vector<RunPlace>& places,
                      v1::Phase phase);

}  // namespace torchlap::storage
