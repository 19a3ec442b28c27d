// GetTrend: series over time, the steps in them (server/measure/change_points.h), and what else
// changed there.
#pragma once

#include <absl/status/status.h>

#include <vector>

#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "storage/series_points.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class GetTrend {
 public:
  GetTrend(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  // A series all of whose runs were left out as contaminated has no points, and is told all the
  // same. INVALID_ARGUMENT: the filter, the phase (`build` has no times) or min_effect;
  // RESOURCE_EXHAUSTED: more series or points than the contract allows.
  absl::Status Answer(const storage::Caller& caller, const v1::GetTrendRequest& request,
                      v1::GetTrendResponse* response) const;

 private:
  // Of the points of one series, by start. Adds none where none of them can be read.
  absl::Status AddSeries(const v1::GetTrendRequest& request,
                         std::vector<storage::SeriesPoint> points,
                         v1::GetTrendResponse* response) const;
  absl::Status AddEnvironmentChanges(const std::vector<storage::SeriesPoint>& points,
                                     v1::TrendSeries* series) const;

  storage::Database* const database_;
  storage::JobStore* const jobs_;
  storage::RunStore* const runs_;
};

}  // namespace torchlap::rpc
