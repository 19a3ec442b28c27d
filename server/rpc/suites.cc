#include "server/rpc/suites.h"

namespace torchlap::rpc {

absl::Status AddSuite::Answer(const storage::Caller& caller, const v1::AddSuiteRequest& request,
                              v1::AddSuiteResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("AddSuite");
}

absl::Status ListSuites::Answer(const storage::Caller& caller, const v1::ListSuitesRequest& request,
                                v1::ListSuitesResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("ListSuites");
}

absl::Status RemoveSuite::Answer(const storage::Caller& caller,
                                 const v1::RemoveSuiteRequest& request,
                                 v1::RemoveSuiteResponse* response) const {
  (void)caller;
  (void)request;
  (void)response;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("RemoveSuite");
}

}  // namespace torchlap::rpc
