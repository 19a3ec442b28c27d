// TODO(run_words): what it is.
#pragma once

#include <absl/status/status.h>

#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class LabelRuns {
 public:
  LabelRuns(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  absl::Status Answer(const storage::Caller& caller, const v1::LabelRunsRequest& request,
                      v1::LabelRunsResponse* response) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
  storage::RunStore* const runs_;
};

// Thread-safe. The arguments outlive it.
class NoteRuns {
 public:
  NoteRuns(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  absl::Status Answer(const storage::Caller& caller, const v1::NoteRunsRequest& request,
                      v1::NoteRunsResponse* response) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
  storage::RunStore* const runs_;
};

// Thread-safe. The arguments outlive it.
class InvalidateRuns {
 public:
  InvalidateRuns(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  absl::Status Answer(const storage::Caller& caller, const v1::InvalidateRunsRequest& request,
                      v1::InvalidateRunsResponse* response) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
  storage::RunStore* const runs_;
};

}  // namespace torchlap::rpc
