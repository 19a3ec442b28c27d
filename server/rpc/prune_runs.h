// PruneRuns: what is kept no longer (storage/prune.h).
#pragma once

#include <absl/status/status.h>

#include <atomic>

#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class PruneRuns {
 public:
  PruneRuns(storage::Database* database, storage::JobStore* jobs, storage::RunStore* /*runs*/)
      : database_(database), jobs_(jobs) {}

  // `samples` are runs whose steps were deleted and which stay; runs that were declared invalid are
  // chosen like others. Afterwards the file is made smaller (storage::Database::Shrink says what
  // that costs). One at a time: RESOURCE_EXHAUSTED. INVALID_ARGUMENT: nothing is named, or `runs`
  // has no selector and no label. FAILED_PRECONDITION: all that is chosen has to stay, which the
  // message explains; where only some have to, the log says so. PERMISSION_DENIED: the caller is
  // neither an admin nor the daemon's account. An error leaves what was deleted before it deleted.
  absl::Status Answer(const storage::Caller& caller, const v1::PruneRunsRequest& request,
                      v1::PruneRunsResponse* response) const;

 private:
  absl::Status Prune(const storage::Caller& caller, const v1::PruneRunsRequest& request,
                     v1::PruneRunsResponse* response) const;
  absl::Status PruneChosen(const storage::Caller& caller, const v1::PruneRunsRequest& request,
                           v1::PruneRunsResponse* response) const;

  storage::Database* const database_;
  storage::JobStore* const jobs_;
  mutable std::atomic<bool> is_running_ = false;
};

}  // namespace torchlap::rpc
