#include "server/rpc/waiting.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace torchlap::rpc {

absl::StatusOr<std::shared_ptr<const run::QueuePicture>> Waiting::Picture() const {
  MutexLock lock(&mutex_);
  const auto newest = jobs_->LastSequence();
  if (!newest.ok()) return newest.status();
  if (picture_ != nullptr && picture_->sequence() == *newest) return picture_;
  auto queue = jobs_->Queue();
  if (!queue.ok()) return queue.status();
  picture_ = std::make_shared<const run::QueuePicture>(*std::move(queue));
  return picture_;
}

namespace {

void SayNotStored(const std::vector<run::DeviceStatus>& devices, std::vector<v1::Job>* chosen) {
  for (const run::DeviceStatus& device : devices) {
    if (device.trouble.unstored_job_id == 0) continue;
    for (v1::Job& job : *chosen) {
      if (job.job_id() != device.trouble.unstored_job_id) continue;
      if (job.state() == v1::JOB_STATE_RUNNING) job.set_not_stored(device.trouble.why);
    }
  }
}

}  // namespace

absl::Status Waiting::Explain(const std::vector<run::DeviceStatus>& devices,
                              std::vector<v1::Job>* chosen) const {
  SayNotStored(devices, chosen);
  const auto is_queued = [](const v1::Job& job) { return job.state() == v1::JOB_STATE_QUEUED; };
  if (std::none_of(chosen->begin(), chosen->end(), is_queued)) return absl::OkStatus();
  const auto picture = Picture();
  if (!picture.ok()) return picture.status();
  const run::WaitReasons reasons(**picture, devices);
  for (v1::Job& job : *chosen) {
    if (!is_queued(job)) continue;
    if (std::optional<v1::WaitReason> reason = reasons.Of(job.job_id())) {
      *job.mutable_wait() = *std::move(reason);
    }
  }
  return absl::OkStatus();
}

absl::Status Waiting::CountQueued(std::vector<run::DeviceStatus>* devices) const {
  const auto picture = Picture();
  if (!picture.ok()) return picture.status();
  const run::WaitReasons reasons(**picture, *devices);
  for (size_t i = 0; i < devices->size(); ++i) {
    (*devices)[i].device.set_queued_jobs(reasons.QueuedFor(i));
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
