#include "server/run/wait_reasons.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace torchlap::run {
namespace {

// The job that the device is working on: the part of `17.2` before the dot. 0: none.
uint64_t JobOf(const v1::Device& device) {
  return std::strtoull(device.run_id().c_str(), nullptr, 10);
}

bool Contains(const std::vector<uint32_t>& numbers, uint32_t number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

// What a job that is next waits for on this device.
v1::WaitReason OnDevice(const v1::Device& device) {
  v1::WaitReason reason;
  reason.set_device(device.name());
  switch (device.state()) {
    case v1::DEVICE_STATE_IDLE:
      reason.set_code(v1::WaitReason::CODE_STARTING);
      break;
    case v1::DEVICE_STATE_RUNNING:
      reason.set_code(v1::WaitReason::CODE_RUNNING);
      reason.set_run_id(device.run_id());
      break;
    case v1::DEVICE_STATE_CLAIMED:
      reason.set_code(v1::WaitReason::CODE_CLAIMED);
      reason.set_pid(device.claimed_by_pid());
      reason.set_user(device.claimed_by_user());
      break;
    case v1::DEVICE_STATE_BUSY:
      reason.set_code(v1::WaitReason::CODE_BUSY);
      reason.set_detail(device.detail());
      break;
    default:
      reason.set_code(v1::WaitReason::CODE_UNAVAILABLE);
      reason.set_detail(device.detail());
  }
  return reason;
}

// The device that will be free first, as far as its state tells.
int Preference(v1::DeviceState state) {
  if (state == v1::DEVICE_STATE_IDLE) return 0;
  if (state == v1::DEVICE_STATE_RUNNING) return 1;
  return state == v1::DEVICE_STATE_CLAIMED || state == v1::DEVICE_STATE_BUSY ? 2 : 3;
}

v1::WaitReason AbsentDevice(const std::string& key) {
  // `uuid:GPU-9`, `class:cuda`, `any`
  const std::string name = key.substr(key.find(':') + 1);
  v1::WaitReason reason;
  reason.set_code(v1::WaitReason::CODE_UNAVAILABLE);
  reason.set_device(name);
  reason.set_detail(fmt::format("the daemon has no device {} now", name));
  return reason;
}

}  // namespace

WaitReasons::WaitReasons(const QueuePicture& queue, const std::vector<DeviceStatus>& devices)
    : queue_(queue) {
  for (const DeviceStatus& status : devices) {
    lanes_.push_back({&status.device, queue.NumbersOf(status.keys)});
    const uint64_t job = JobOf(status.device);
    if (const auto place = queue.Find(job); place && !IsWorkedOn(job)) {
      working_.push_back({job, *place});
    }
  }
}

bool WaitReasons::IsWorkedOn(uint64_t job_id) const {
  return std::any_of(working_.begin(), working_.end(),
                     [job_id](const Working& working) { return working.job_id == job_id; });
}

uint32_t WaitReasons::WaitingBefore(uint32_t index, const Lane& lane) const {
  const auto worked_on = std::count_if(working_.begin(), working_.end(), [&](const Working& job) {
    return job.place.index < index && Contains(lane.keys, job.place.key);
  });
  return queue_.CountBefore(index, lane.keys) - static_cast<uint32_t>(worked_on);
}

std::optional<v1::WaitReason> WaitReasons::Of(uint64_t job_id) const {
  const auto place = queue_.Find(job_id);
  if (!place || IsWorkedOn(job_id)) return std::nullopt;
  const v1::Device* best = nullptr;
  uint32_t jobs_ahead = 0;
  for (const Lane& lane : lanes_) {
    if (!Contains(lane.keys, place->key)) continue;
    const uint32_t ahead = WaitingBefore(place->index, lane);
    const bool better =
        best == nullptr || ahead < jobs_ahead ||
        (ahead == jobs_ahead && Preference(lane.device->state()) < Preference(best->state()));
    if (!better) continue;
    best = lane.device;
    jobs_ahead = ahead;
  }
  v1::WaitReason reason = best == nullptr ? AbsentDevice(queue_.KeyText(*place)) : OnDevice(*best);
  if (jobs_ahead > 0 && reason.code() != v1::WaitReason::CODE_CLAIMED) {
    reason.set_code(v1::WaitReason::CODE_BEHIND);
  }
  reason.set_jobs_ahead(jobs_ahead);
  return reason;
}

uint32_t WaitReasons::QueuedFor(size_t index) const {
  return WaitingBefore(QueuePicture::kEnd, lanes_[index]);
}

}  // namespace torchlap::run
