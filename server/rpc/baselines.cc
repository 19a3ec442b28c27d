#include "server/rpc/baselines.h"

namespace torchlap::rpc {

absl::Status SetBaseline::Answer(const storage::Caller& caller,
                                 const v1::SetBaselineRequest& request,
                                 v1::SetBaselineResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("SetBaseline");
}

absl::Status ListBaselines::Answer(const storage::Caller& caller,
                                   const v1::ListBaselinesRequest& request,
                                   v1::ListBaselinesResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("ListBaselines");
}

absl::Status ClearBaseline::Answer(const storage::Caller& caller,
                                   const v1::ClearBaselineRequest& request,
                                   v1::ClearBaselineResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("ClearBaseline");
}

}  // namespace torchlap::rpc
