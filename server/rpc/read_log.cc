#include "server/rpc/read_log.h"

namespace torchlap::rpc {

absl::Status ReadLog::Stream(const storage::Caller& caller, const v1::ReadLogRequest& request,
                             const Sink<v1::ReadLogResponse>& sink) const {
  (void)caller;
  (void)request;
  (void)sink;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("ReadLog");
}

}  // namespace torchlap::rpc
