#include "server/rpc/get_trend.h"

namespace torchlap::rpc {

absl::Status GetTrend::Answer(const storage::Caller& caller, const v1::GetTrendRequest& request,
                              v1::GetTrendResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("GetTrend");
}

}  // namespace torchlap::rpc
