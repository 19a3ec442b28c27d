#include "server/rpc/doctor_call.h"

namespace torchlap::rpc {

absl::Status DoctorCall::Answer(const storage::Caller& /*caller*/,
                                const v1::DiagnoseRequest& /*request*/,
                                v1::DiagnoseResponse* response) const {
  DiagnosisQuestion question = question_;
  for (run::DeviceStatus& status : fleet_->Describe()) {
    question.devices.push_back(std::move(status.device));
  }
  for (v1::Finding& finding : rpc::Diagnose(GatherFacts(question))) {
    *response->add_findings() = std::move(finding);
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
