#include "server/rpc/compare_runs.h"

namespace torchlap::rpc {

absl::Status CompareRuns::Answer(const storage::Caller& caller,
                                 const v1::CompareRunsRequest& request,
                                 v1::CompareRunsResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("CompareRuns");
}

}  // namespace torchlap::rpc
