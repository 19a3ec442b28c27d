// Answers AddSuite, ListSuites, RemoveSuite.
#pragma once

#include <absl/status/status.h>

#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class AddSuite {
 public:
  AddSuite(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  absl::Status Answer(const storage::Caller& caller, const v1::AddSuiteRequest& request,
                      v1::AddSuiteResponse* response) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
  storage::RunStore* const runs_;
};

// Thread-safe. The arguments outlive it.
class ListSuites {
 public:
  ListSuites(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  absl::Status Answer(const storage::Caller& caller, const v1::ListSuitesRequest& request,
                      v1::ListSuitesResponse* response) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
  storage::RunStore* const runs_;
};

// Thread-safe. The arguments outlive it.
class RemoveSuite {
 public:
  RemoveSuite(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  absl::Status Answer(const storage::Caller& caller, const v1::RemoveSuiteRequest& request,
                      v1::RemoveSuiteResponse* response) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
  storage::RunStore* const runs_;
};

}  // namespace torchlap::rpc
