#include "server/rpc/cell_findings.h"

namespace torchlap::rpc {

absl::Status ListFindings::Answer(const storage::Caller& caller,
                                  const v1::ListFindingsRequest& request,
                                  v1::ListFindingsResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("ListFindings");
}

absl::Status SetFinding::Answer(const storage::Caller& caller, const v1::SetFindingRequest& request,
                                v1::SetFindingResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("SetFinding");
}

}  // namespace torchlap::rpc
