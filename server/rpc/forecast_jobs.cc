#include "server/rpc/forecast_jobs.h"

namespace torchlap::rpc {

absl::Status ForecastJobs::Answer(const storage::Caller& caller,
                                  const v1::ForecastJobsRequest& request,
                                  v1::ForecastJobsResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("ForecastJobs");
}

}  // namespace torchlap::rpc
