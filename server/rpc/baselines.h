// SetBaseline, ListBaselines, ClearBaseline: the runs that a user holds new ones against.
#pragma once

#include <absl/status/status.h>

#include "proto/base/clock.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class SetBaseline {
 public:
  SetBaseline(storage::Database* database, storage::JobStore* jobs, const Clock* clock)
      : database_(database), jobs_(jobs), clock_(clock) {}

  // What is taken of the chosen runs: storage::BaselineStore::Replace. A filter that names nothing
  // chooses every run that the caller may see.
  absl::Status Answer(const storage::Caller& caller, const v1::SetBaselineRequest& request,
                      v1::SetBaselineResponse* response) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
  const Clock* const clock_;
};

// Thread-safe. The arguments outlive it.
class ListBaselines {
 public:
  ListBaselines(storage::Database* database, storage::RunStore* runs)
      : database_(database), runs_(runs) {}

  // Series in the order of their newest runs, newest first; runs that cannot be read, were declared
  // invalid or, in a private daemon, are another's, are left out. PERMISSION_DENIED: another user's
  // in a private daemon.
  absl::Status Answer(const storage::Caller& caller, const v1::ListBaselinesRequest& request,
                      v1::ListBaselinesResponse* response) const;

 private:
  storage::Database* const database_;
  storage::RunStore* const runs_;
};

// Thread-safe. The arguments outlive it.
class ClearBaseline {
 public:
  ClearBaseline(storage::Database* database, storage::JobStore* jobs)
      : database_(database), jobs_(jobs) {}

  // FAILED_PRECONDITION: there was nothing to clear.
  absl::Status Answer(const storage::Caller& caller, const v1::ClearBaselineRequest& request,
                      v1::ClearBaselineResponse* response) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
};

}  // namespace torchlap::rpc
