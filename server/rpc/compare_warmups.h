// CompareWarmups: what it says is in warmup_comparison.h.
#pragma once

#include <absl/status/status.h>

#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class CompareWarmups {
 public:
  CompareWarmups(const storage::JobStore* jobs, const storage::RunStore* runs)
      : jobs_(jobs), runs_(runs) {}

  // DATA_LOSS with their number: some of the runs cannot be read.
  absl::Status Answer(const storage::Caller& caller, const v1::CompareWarmupsRequest& request,
                      v1::CompareWarmupsResponse* response) const;

 private:
  const storage::JobStore* const jobs_;
  const storage::RunStore* const runs_;
};

}  // namespace torchlap::rpc
