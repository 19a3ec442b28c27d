#include "server/rpc/import_runs.h"

namespace torchlap::rpc {

absl::Status ImportRuns::Answer(const storage::Caller& caller, const v1::ImportRunsRequest& request,
                                v1::ImportRunsResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("ImportRuns");
}

}  // namespace torchlap::rpc
