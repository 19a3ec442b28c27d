// GetDigest: what happened since a time.
#pragma once

#include <absl/status/status.h>

#include "proto/base/clock.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/records.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class GetDigest {
 public:
  GetDigest(storage::Database* database, const storage::JobStore* jobs, const Clock* clock)
      : database_(database), jobs_(jobs), clock_(clock) {}

  // INVALID_ARGUMENT: a time that is to come, a text that is not fit to be shown. Nobody of that
  // name did nothing. Jobs that wait and run are everyone's. A change of the environment that all
  // devices have has the plain name, `driver`; else the devices stand before it, `cuda0 driver`.
  absl::Status Answer(const storage::Caller& caller, const v1::GetDigestRequest& request,
                      v1::GetDigestResponse* response) const;

 private:
  storage::Database* const database_;
  const storage::JobStore* const jobs_;
  const Clock* const clock_;
};

}  // namespace torchlap::rpc
