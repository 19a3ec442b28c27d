// LabelRuns, NoteRuns, InvalidateRuns: what users say of jobs and runs after the fact.
#pragma once

#include <absl/status/status.h>

#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_words.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// What is chosen is looked up as for lists; all of it is changed or nothing. Errors as the contract
// and storage::RunWords have them. Thread-safe. The arguments outlive them.
class LabelRuns {
 public:
  LabelRuns(const storage::JobStore* jobs, storage::Database* database)
      : jobs_(jobs), words_(database) {}

  // INVALID_ARGUMENT: there is no label to set or to take away, or one is in both.
  absl::Status Answer(const storage::Caller& caller, const v1::LabelRunsRequest& request,
                      v1::LabelRunsResponse* response);

 private:
  const storage::JobStore* const jobs_;
  storage::RunWords words_;
};

class NoteRuns {
 public:
  NoteRuns(const storage::JobStore* jobs, storage::Database* database)
      : jobs_(jobs), words_(database) {}

  absl::Status Answer(const storage::Caller& caller, const v1::NoteRunsRequest& request,
                      v1::NoteRunsResponse* response);

 private:
  const storage::JobStore* const jobs_;
  storage::RunWords words_;
};

class InvalidateRuns {
 public:
  InvalidateRuns(const storage::JobStore* jobs, storage::Database* database)
      : jobs_(jobs), words_(database) {}

  absl::Status Answer(const storage::Caller& caller, const v1::InvalidateRunsRequest& request,
                      v1::InvalidateRunsResponse* response);

 private:
  const storage::JobStore* const jobs_;
  storage::RunWords words_;
};

}  // namespace torchlap::rpc
