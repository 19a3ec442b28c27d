// One thread for one device: takes the next launch from the queue, runs it in a worker, stores what
// happened.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/daemon/configuration.h"
#include "server/daemon/device_claim.h"
#include "server/daemon/devices.h"
#include "server/daemon/event_hub.h"
#include "server/daemon/host_facts.h"
#include "server/daemon/mutex.h"
#include "server/daemon/run_record.h"
#include "server/daemon/wake_up.h"
#include "server/daemon/worker_process.h"
#include "storage/job_store.h"
#include "torchlap/v1/device.pb.h"

namespace torchlap::daemon {

// What all dispatchers share. Everything outlives them.
struct DispatcherSetting {
  const Configuration* configuration = nullptr;
  const HostFacts* facts = nullptr;
  storage::JobStore* jobs = nullptr;
  EventHub* hub = nullptr;
  std::filesystem::path worker_program;
  // One line if no worker can start; empty: none known.
  std::string torch_problem;
  // Called when the queue changed by what this dispatcher stored: another one may have work now.
  std::function<void()> queue_changed;
};

// The thread sleeps in poll(2) until the queue changes, a cancellation is asked for, the worker
// says or does something, a deadline passes, or the daemon stops. While another daemon has the
// device it waits for that one's end.
class Dispatcher {
 public:
  Dispatcher(HostDevice device, DispatcherSetting setting);
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

  const HostDevice& device() const { return device_; }
  // All but queued_jobs.
  v1::Device Describe() const TORCHLAP_EXCLUDES(mutex_);

 private:
  void Run();
  bool HoldDevice();
  bool TryToHold();
  // False: there is nothing to do now.
  bool RunNext();
  absl::StatusOr<std::optional<storage::StartedRun>> TakeNext();
  storage::FinishedRun RunLaunch(const storage::StartedRun& started);
  // Why the size cannot fit, if that is known without trying.
  std::optional<v1::Failure> RuledOut(const storage::StartedRun& started) const;
  WorkerEnd RunWorker(const storage::StartedRun& started, RunRecord* record);
  StopCause StopCauseOf(uint64_t job_id);
  void Store(const storage::FinishedRun& finished, const storage::AfterRun& after);
  WorkerCommand Command(const std::string& run_id) const;
  v1::WorkerRequest Request(const v1::Run& run) const;
  // Until Wake(), the end of who has the device, or, after an error, a while.
  void Sleep(bool after_error);
  void SetState(v1::DeviceState state, const std::string& run_id, const std::string& detail)
      TORCHLAP_EXCLUDES(mutex_);
  void SetClaimedBy(const HeldBy& holder) TORCHLAP_EXCLUDES(mutex_);

  const HostDevice device_;
  const DispatcherSetting setting_;
  const std::vector<std::string> device_keys_;
  WakeUp wake_up_;
  std::atomic<bool> stopping_ = false;

  // Used by the thread alone, once it runs.
  std::optional<Claim> claim_;
  FileDescriptor claim_watch_;
  bool failed_ = false;  // by something that only time heals: a full disk, no processes left

  mutable Mutex mutex_;
  v1::Device status_ TORCHLAP_GUARDED_BY(mutex_);

  std::jthread thread_;
};

// Keys of the jobs that may run on a device (storage::NewJob::device_key).
std::vector<std::string> DeviceKeys(const HostDevice& device);

// What becomes of the launch after its run. Pure.
storage::AfterRun Next(const storage::StartedRun& started, const v1::Run& run);

}  // namespace torchlap::daemon
