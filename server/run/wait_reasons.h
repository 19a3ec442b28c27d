// Why a queued job waits. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/run/queue_picture.h"
#include "server/run/storage_trouble.h"
#include "torchlap/v1/device.pb.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::run {

// A device as its dispatcher describes it, with the keys of the jobs that may run on it.
struct DeviceStatus {
  v1::Device device;
  std::vector<std::string> keys;
  StorageTrouble trouble;
  std::vector<std::string> not_in_force = {};  // Dispatcher's
  std::optional<int64_t> idle_since_ns = {};   // the same
};

// For one state of queue and devices. The job that a device is working on is not counted as ahead
// of others: they wait for its run. Costs a few look-ups a job, however long the queue is.
class WaitReasons {
 public:
  // Both outlive it.
  WaitReasons(const QueuePicture& queue, const std::vector<DeviceStatus>& devices);

  // Nothing: a device is working on the job, or it is not in the queue.
  std::optional<v1::WaitReason> Of(uint64_t job_id) const;
  // How many jobs may run on `devices[index]` and are not running on any.
  uint32_t QueuedFor(size_t index) const;

 private:
  struct Lane {
    const v1::Device* device;
    std::vector<uint32_t> keys;  // numbers in the picture
  };
  struct Working {
    uint64_t job_id;
    QueuePicture::Place place;
  };
  bool IsWorkedOn(uint64_t job_id) const;
  uint32_t WaitingBefore(uint32_t index, const Lane& lane) const;

  const QueuePicture& queue_;
  std::vector<Lane> lanes_;       // one a device
  std::vector<Working> working_;  // jobs that devices are working on
};

}  // namespace torchlap::run
