// Why these queued jobs wait, and how many wait for a device.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "proto/base/mutex.h"
#include "server/run/queue_picture.h"
#include "server/run/wait_reasons.h"
#include "storage/job_store.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::rpc {

// Keeps one picture of the queue, which serves every question until the next job_event: the pages
// of a long listing, say. Making it reads the whole queue, some 20 ms for 100,000 jobs.
// Thread-safe.
class Waiting {
 public:
  // `jobs` outlives it.
  explicit Waiting(const storage::JobStore* jobs) : jobs_(jobs) {}

  // Says of each QUEUED one of `chosen` why it waits, and of a RUNNING one why its run is not
  // stored yet, where it is not.
  absl::Status Explain(const std::vector<run::DeviceStatus>& devices,
                       std::vector<v1::Job>* chosen) const;
  // Fills in how many jobs wait for each device.
  absl::Status CountQueued(std::vector<run::DeviceStatus>* devices) const;

 private:
  // Of now. Whoever comes while it is made waits for it instead of making another.
  absl::StatusOr<std::shared_ptr<const run::QueuePicture>> Picture() const;

  const storage::JobStore* const jobs_;
  mutable Mutex mutex_;
  mutable std::shared_ptr<const run::QueuePicture> picture_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::rpc
