// ListFindings, SetFinding: cells of suites that changed, and what users say of them. How they are
// found: server/run/sweep_judge.h.
#pragma once

#include <absl/status/status.h>

#include "proto/base/clock.h"
#include "storage/database.h"
#include "storage/records.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class ListFindings {
 public:
  explicit ListFindings(storage::Database* database) : database_(database) {}

  // INVALID_ARGUMENT: a state that is none, a text that is not fit to be shown. Nobody of that name
  // has none.
  absl::Status Answer(const storage::Caller& caller, const v1::ListFindingsRequest& request,
                      v1::ListFindingsResponse* response) const;

 private:
  storage::Database* const database_;
};

// Thread-safe. The arguments outlive it.
class SetFinding {
 public:
  SetFinding(storage::Database* database, const Clock* clock)
      : database_(database), clock_(clock) {}

  // As the contract says; FAILED_PRECONDITION as storage::FindingStore::Set.
  absl::Status Answer(const storage::Caller& caller, const v1::SetFindingRequest& request,
                      v1::SetFindingResponse* response) const;

 private:
  storage::Database* const database_;
  const Clock* const clock_;
};

}  // namespace torchlap::rpc
