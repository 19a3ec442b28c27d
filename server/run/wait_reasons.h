// Why a queued job waits. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "storage/job_store.h"
#include "torchlap/v1/device.pb.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::run {

// A device as its dispatcher describes it, with the keys of the jobs that may run on it.
struct DeviceStatus {
  v1::Device device;
  std::vector<std::string> keys;
};

// For every job in `queue` (JobStore::Queue) that no device is working on, by job id. The job that
// a device is working on is not counted as ahead of others: they wait for its run.
std::map<uint64_t, v1::WaitReason> WaitReasons(
    const std::vector<storage::JobStore::QueueEntry>& queue,
    const std::vector<DeviceStatus>& devices);

// How many jobs of `queue` may run on `devices[index]` and are not running on any.
uint32_t QueuedFor(const std::vector<DeviceStatus>& devices, size_t index,
                   const std::vector<storage::JobStore::QueueEntry>& queue);

}  // namespace torchlap::run
