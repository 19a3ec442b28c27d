// One thread for one place: takes the next launch from the queue, runs it in a worker, stores what
// happened.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "proto/base/mutex.h"
#include "server/host/device_claim.h"
#include "server/host/devices.h"
#include "server/run/backoff.h"
#include "server/run/busy_wait.h"
#include "server/run/dispatcher_setting.h"
#include "server/run/launch_runner.h"
#include "server/run/place.h"
#include "server/run/settle_wait.h"
#include "server/run/storage_trouble.h"
#include "server/run/wake_up.h"
#include "storage/job_store.h"
#include "torchlap/v1/device.pb.h"

namespace torchlap::run {

// The thread sleeps on the clock until the queue changes, a cancellation is asked for, the worker
// says or does something, a deadline passes, or the daemon stops. While another daemon has the
// device it waits for that one's end; a claim that may lapse it looks at again every 30 s
// (DispatcherSetting::claim_pace). Before every run it looks for whom it must give way. After an
// error that only time heals nothing but time, or the stop, ends its pause.
class Dispatcher {
 public:
  Dispatcher(std::unique_ptr<Place> place, DispatcherSetting setting);
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
  // Since when it is IDLE, on the monotonic clock; nothing: it is not.
  std::optional<int64_t> idle_since_ns() const TORCHLAP_EXCLUDES(mutex_);
  // As the last attempt to read or write the database found it.
  StorageTrouble trouble() const TORCHLAP_EXCLUDES(mutex_);
  // What was not set as the configuration wants, when a run was last about to begin.
  std::vector<std::string> not_in_force() const TORCHLAP_EXCLUDES(mutex_);

 private:
  void Run();
  // Both: false, there is nothing to do now; an error passes with time.
  absl::StatusOr<bool> WorkOnce();
  absl::StatusOr<bool> HoldDevice();
  // Whether who has the device has it still, and is not to be looked at yet.
  bool GivesWay() const;
  void GiveWay(host::HeldBy holder);
  // Gives way, where the device is ours and another must be let have it.
  bool IsUsedByAnother();
  absl::StatusOr<bool> RunNext();
  struct Choice {
    storage::QueueHead head;
    std::string refused;  // why its launch is not run; empty: it is
  };
  struct Taken {
    storage::StartedRun started;
    std::string refused;
  };
  absl::StatusOr<std::optional<Taken>> TakeNext();
  // Nothing: there is no job, or all wait for others who use the device.
  absl::StatusOr<std::optional<Choice>> Choose(std::vector<storage::QueueHead> heads);
  absl::StatusOr<BusyVerdict> LookAt(const storage::QueueHead& head,
                                     const std::optional<host::ForeignWork>& others);
  // A run may begin, or the device is to settle first. `is_beside_others`: who compute meanwhile.
  bool HasSettled(bool is_beside_others);
  // Says what is news in the log.
  void SetNotInForce(std::vector<std::string> lines) TORCHLAP_EXCLUDES(mutex_);
  // The device is looked at again then, while jobs wait for it.
  void SetBusy(const std::string& why, int64_t look_again_ns);
  void EndBusy();
  // Runs and stores it. An error: this host has no room for a worker now.
  absl::Status RunStarted(Taken taken);
  // The job's runs before this one, by number. DATA_LOSS, NOT_FOUND: they can never be read.
  // ABORTED: the daemon stops, and the database does not tell them.
  absl::StatusOr<std::vector<v1::Run>> EarlierRuns(const storage::StartedRun& started);
  // Ends a launch that can never go on: its run is INTERRUPTED, its job FAILED.
  void SetAside(storage::StartedRun started, const absl::Status& why);
  absl::StatusOr<StopCause> StopCauseOf(uint64_t job_id);
  void Store(const storage::FinishedRun& finished, const storage::AfterRun& after);
  // Says what failed, and pauses. False: the daemon stops.
  bool WaitOut(const std::string& failure, const std::string& run_id, Backoff* backoff);
  // Tells watchers too, where it is news.
  void SetTrouble(StorageTrouble trouble) TORCHLAP_EXCLUDES(mutex_);

  // Until Wake(), or the end of who has the device.
  void Sleep();
  // For so long, or until the stop.
  void Pause(int64_t length_ns);
  void SetState(v1::DeviceState state, const std::string& run_id, const std::string& detail)
      TORCHLAP_EXCLUDES(mutex_);
  // Whose run is on the device.
  void SetUser(const std::string& user) TORCHLAP_EXCLUDES(mutex_);
  // UNAVAILABLE where the device has a problem.
  void SetIdle() TORCHLAP_EXCLUDES(mutex_);
  void SetClaimedBy(const host::HeldBy& holder) TORCHLAP_EXCLUDES(mutex_);

  const std::unique_ptr<Place> place_;
  const host::HostDevice& device_;
  const DispatcherSetting setting_;
  const std::vector<std::string> device_keys_;
  WakeUp wake_up_;
  LaunchRunner runner_;
  std::atomic<bool> stopping_ = false;

  // Used by the thread alone, once it runs.
  bool held_ = false;
  FileDescriptor claim_watch_;
  std::string gave_way_to_;  // the user; empty: nobody since the last run
  // A claim that may lapse is looked at again then.
  int64_t ask_again_ns_ = Clock::kNever;
  // So is a busy device.
  int64_t look_again_ns_ = Clock::kNever;
  // Since when others have used the device while a job wanted it; later by what our runs took.
  std::optional<int64_t> busy_since_ns_;
  SettleWait settle_wait_;
  Backoff backoff_;

  mutable Mutex mutex_;
  v1::Device status_ TORCHLAP_GUARDED_BY(mutex_);
  std::optional<int64_t> idle_since_ns_ TORCHLAP_GUARDED_BY(mutex_);
  StorageTrouble trouble_ TORCHLAP_GUARDED_BY(mutex_);
  std::vector<std::string> not_in_force_ TORCHLAP_GUARDED_BY(mutex_);

  std::jthread thread_;
};

// Keys of the jobs that may run on a device (storage::NewJob::device_key).
std::vector<std::string> DeviceKeys(const host::HostDevice& device);

}  // namespace torchlap::run
