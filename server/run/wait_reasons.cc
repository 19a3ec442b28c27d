#include "server/run/wait_reasons.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

namespace torchlap::run {
namespace {

// Jobs that devices are working on: the part of `17.2` before the dot.
std::set<uint64_t> RunningJobs(const std::vector<DeviceStatus>& devices) {
  std::set<uint64_t> jobs;
  for (const DeviceStatus& status : devices) {
    if (status.device.run_id().empty()) continue;
    jobs.insert(std::strtoull(status.device.run_id().c_str(), nullptr, 10));
  }
  return jobs;
}

bool MayRun(const DeviceStatus& device, const std::string& key) {
  return std::find(device.keys.begin(), device.keys.end(), key) != device.keys.end();
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
  return state == v1::DEVICE_STATE_CLAIMED ? 2 : 3;
}

v1::WaitReason AbsentDevice(const std::string& key) {
  v1::WaitReason reason;
  reason.set_code(v1::WaitReason::CODE_UNAVAILABLE);
  reason.set_detail(fmt::format("the daemon has no device {} now", key.substr(key.find(':') + 1)));
  return reason;
}

}  // namespace

std::map<uint64_t, v1::WaitReason> WaitReasons(
    const std::vector<storage::JobStore::QueueEntry>& queue,
    const std::vector<DeviceStatus>& devices) {
  const std::set<uint64_t> running = RunningJobs(devices);
  std::vector<uint32_t> ahead(devices.size(), 0);
  std::map<uint64_t, v1::WaitReason> reasons;
  for (const auto& entry : queue) {
    if (running.contains(entry.job_id)) continue;
    const DeviceStatus* best = nullptr;
    uint32_t jobs_ahead = 0;
    for (size_t i = 0; i < devices.size(); ++i) {
      if (!MayRun(devices[i], entry.device_key)) continue;
      const bool better = best == nullptr || ahead[i] < jobs_ahead ||
                          (ahead[i] == jobs_ahead && Preference(devices[i].device.state()) <
                                                         Preference(best->device.state()));
      if (better) {
        best = &devices[i];
        jobs_ahead = ahead[i];
      }
    }
    v1::WaitReason reason =
        best == nullptr ? AbsentDevice(entry.device_key) : OnDevice(best->device);
    if (jobs_ahead > 0 && reason.code() != v1::WaitReason::CODE_CLAIMED) {
      reason.set_code(v1::WaitReason::CODE_BEHIND);
    }
    reason.set_jobs_ahead(jobs_ahead);
    reasons.emplace(entry.job_id, reason);
    for (size_t i = 0; i < devices.size(); ++i) {
      if (MayRun(devices[i], entry.device_key)) ++ahead[i];
    }
  }
  return reasons;
}

uint32_t QueuedFor(const std::vector<DeviceStatus>& devices, size_t index,
                   const std::vector<storage::JobStore::QueueEntry>& queue) {
  const std::set<uint64_t> running = RunningJobs(devices);
  return static_cast<uint32_t>(std::count_if(queue.begin(), queue.end(), [&](const auto& entry) {
    return !running.contains(entry.job_id) && MayRun(devices[index], entry.device_key);
  }));
}

}  // namespace torchlap::run
