// CompareRuns: past runs of two sides, or of the values of one axis, against each other. What a row
// says is in server/measure/cell_comparison.h.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>

#include "server/measure/cell_comparison.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class CompareRuns {
 public:
  CompareRuns(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  // INVALID_ARGUMENT and RESOURCE_EXHAUSTED as history.proto says, the latter also for more than
  // 100,000 runs; NOT_FOUND and PERMISSION_DENIED as ExportRuns. Damaged rows are left out and
  // counted.
  absl::Status Answer(const storage::Caller& caller, const v1::CompareRunsRequest& request,
                      v1::CompareRunsResponse* response) const;

 private:
  absl::Status Collect(const storage::Caller& caller, const v1::CompareRunsRequest& request,
                       measure::ComparedRuns::Side side, measure::ComparedRuns* collected,
                       uint64_t* unreadable) const;
  absl::StatusOr<measure::ComparedRuns> CollectAll(const storage::Caller& caller,
                                                   const v1::CompareRunsRequest& request,
                                                   uint64_t* unreadable) const;

  const storage::Database* const database_;
  const storage::JobStore* const jobs_;
  const storage::RunStore* const runs_;
};

}  // namespace torchlap::rpc
