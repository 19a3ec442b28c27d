#include "server/rpc/get_digest.h"

namespace torchlap::rpc {

absl::Status GetDigest::Answer(const storage::Caller& caller, const v1::GetDigestRequest& request,
                               v1::GetDigestResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("GetDigest");
}

}  // namespace torchlap::rpc
