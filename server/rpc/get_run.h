// GetRun: a run with its samples.
#pragma once

#include <absl/status/status.h>

#include "server/rpc/sink.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. `runs` outlives it.
class GetRun {
 public:
  explicit GetRun(const storage::RunStore* runs) : runs_(runs) {}

  // CANCELLED when `sink` returned false.
  absl::Status Stream(const storage::Caller& caller, const v1::GetRunRequest& request,
                      const Sink<v1::GetRunResponse>& sink) const;

 private:
  const storage::RunStore* const runs_;
};

}  // namespace torchlap::rpc
