// One thread for one device: takes the next launch from the queue, runs it in a worker, stores what
// happened.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proto/base/mutex.h"
#include "server/host/device_claim.h"
#include "server/host/devices.h"
#include "server/run/launch_runner.h"
#include "server/run/wake_up.h"
#include "storage/job_store.h"
#include "torchlap/v1/device.pb.h"

namespace torchlap::run {

// The thread sleeps in poll(2) until the queue changes, a cancellation is asked for, the worker
// says or does something, a deadline passes, or the daemon stops. While another daemon has the
// device it waits for that one's end.
class Dispatcher {
 public:
  Dispatcher(host::HostDevice device, DispatcherSetting setting);
  // Stops and waits for the thread.
  ~Dispatcher();

  // Takes the device if it is free, and starts the thread.
  void Start();
  // Ends a running worker; its run is INTERRUPTED and its launch queued again. Returns at once.
  void Stop();
  // Waits for the end of the thread, after Stop().
  void Join();
  // The queue has changed, or the cancellation of a running job was asked for.
  void Wake();

  const host::HostDevice& device() const { return device_; }
  // All but queued_jobs.
  v1::Device Describe() const TORCHLAP_EXCLUDES(mutex_);

 private:
  void Run();
  bool HoldDevice();
  bool TryToHold();
  // False: there is nothing to do now.
  bool RunNext();
  absl::StatusOr<std::optional<storage::StartedRun>> TakeNext();
  // The job's runs before this one, by number.
  std::vector<v1::Run> EarlierRuns(const storage::StartedRun& started) const;
  StopCause StopCauseOf(uint64_t job_id);
  void Store(const storage::FinishedRun& finished, const storage::AfterRun& after);
  // Until Wake(), the end of who has the device, or, after an error, a while.
  void Sleep(bool after_error);
  void SetState(v1::DeviceState state, const std::string& run_id, const std::string& detail)
      TORCHLAP_EXCLUDES(mutex_);
  // UNAVAILABLE where the device has a problem.
  void SetIdle() TORCHLAP_EXCLUDES(mutex_);
  void SetClaimedBy(const host::HeldBy& holder) TORCHLAP_EXCLUDES(mutex_);

  const host::HostDevice device_;
  const DispatcherSetting setting_;
  const std::vector<std::string> device_keys_;
  WakeUp wake_up_;
  LaunchRunner runner_;
  std::atomic<bool> stopping_ = false;

  // Used by the thread alone, once it runs.
  std::optional<host::Claim> claim_;
  FileDescriptor claim_watch_;
  bool failed_ = false;  // by something that only time heals: a full disk, no processes left

  mutable Mutex mutex_;
  v1::Device status_ TORCHLAP_GUARDED_BY(mutex_);

  std::jthread thread_;
};

// Keys of the jobs that may run on a device (storage::NewJob::device_key).
std::vector<std::string> DeviceKeys(const host::HostDevice& device);

}  // namespace torchlap::run
