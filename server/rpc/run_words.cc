#include "server/rpc/run_words.h"

namespace torchlap::rpc {

absl::Status LabelRuns::Answer(const storage::Caller& caller, const v1::LabelRunsRequest& request,
                               v1::LabelRunsResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("LabelRuns");
}

absl::Status NoteRuns::Answer(const storage::Caller& caller, const v1::NoteRunsRequest& request,
                              v1::NoteRunsResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("NoteRuns");
}

absl::Status InvalidateRuns::Answer(const storage::Caller& caller,
                                    const v1::InvalidateRunsRequest& request,
                                    v1::InvalidateRunsResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("InvalidateRuns");
}

}  // namespace torchlap::rpc
