#include "server/rpc/doctor_call.h"

#include "server/rpc/canary_findings.h"

namespace torchlap::rpc {

absl::Status DoctorCall::Answer(const storage::Caller& /*caller*/,
                                const v1::DoctorRequest& /*request*/,
                                v1::DoctorResponse* response) const {
  DoctorQuestion question = question_;
  for (const host::HostDevice& device : fleet_->devices()) {
    if (device.wanted.any()) question.wanted[device.uuid] = device.wanted;
  }
  for (run::DeviceStatus& status : fleet_->Describe()) {
    question.not_in_force[status.device.uuid()] = std::move(status.not_in_force);
    question.devices.push_back(std::move(status.device));
  }
  for (const v1::Device& device : question.devices) {
    auto canary = CanaryFinding(*database_, *runs_, device.uuid(), clock_->WallNs());
    if (canary.ok() && *canary) question.canaries[device.uuid()] = **std::move(canary);
  }
  question.state_lost = storage_->Lost();
  question.not_stored = storage_->NotStored();
  for (v1::Finding& finding : Examine(LookAtMachine(question))) {
    *response->add_findings() = std::move(finding);
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
