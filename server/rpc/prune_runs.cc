#include "server/rpc/prune_runs.h"

namespace torchlap::rpc {

absl::Status PruneRuns::Answer(const storage::Caller& caller, const v1::PruneRunsRequest& request,
                               v1::PruneRunsResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("PruneRuns");
}

}  // namespace torchlap::rpc
