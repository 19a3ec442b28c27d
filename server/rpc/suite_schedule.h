// Submits suites when they are due: a thread that sleeps until then.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proto/base/clock.h"
#include "server/rpc/submit_jobs.h"
#include "server/rpc/suite_times.h"
#include "server/run/device_fleet.h"
#include "server/run/wake_up.h"
#include "storage/database.h"
#include "storage/suite_store.h"

namespace torchlap::rpc {

// Who the owner of a suite is now. FAILED_PRECONDITION: the account is gone, or is another's by
// now. UNAVAILABLE: it cannot be told.
using OwnerOf = std::function<absl::StatusOr<storage::Caller>(const storage::StoredSuite& suite)>;

// As it was when the suite was added.
absl::StatusOr<storage::Caller> UnchangedOwner(const storage::StoredSuite& suite);

struct ScheduleSetting {
  storage::Database* database = nullptr;
  SubmitJobs* submit = nullptr;
  const run::DeviceFleet* fleet = nullptr;
  const Clock* clock = &SystemClock();
  OwnerOf owner_of = UnchangedOwner;
  UtcOffset utc_offset = SystemUtcOffset;
};

// A suite is submitted as its owner would submit it, sweep by sweep, each in a transaction, with
// request ids that are made of the suite and of its time before: after a crash between a submit and
// its note the same submit is answered from what was stored. Thread-safe.
class SuiteSchedule {
 public:
  // The machine's clock may be set meanwhile: it is looked at again after so long, while there are
  // suites.
  static constexpr int64_t kLongestSleepNs = 60'000'000'000;
  // After what may pass by itself.
  static constexpr int64_t kAskAgainNs = 60'000'000'000;

  // All that the setting names outlives it.
  explicit SuiteSchedule(ScheduleSetting setting);
  // Stops and waits for the thread.
  ~SuiteSchedule();
  SuiteSchedule(const SuiteSchedule&) = delete;
  SuiteSchedule& operator=(const SuiteSchedule&) = delete;

  void Start();
  // Nothing is submitted from now on, but for what is being submitted.
  void Stop();
  // Suites have changed.
  void Wake() { wake_up_.Notify(); }

  // Of one that runs daily.
  std::optional<int64_t> NextTimeOf(const storage::StoredSuite& suite) const;

  // Submits what is due. When to look again, by the wall clock; Clock::kNever: there is no suite.
  // For the thread, and for tests without one.
  int64_t LookOnce();

 private:
  void Run();
  int64_t Look(const storage::StoredSuite& suite, int64_t now_ns);
  absl::StatusOr<Idleness> IdlenessOf(const storage::StoredSuite& suite, int64_t now_ns) const;
  // An error: it is tried again soon, as if nothing had been tried.
  absl::Status Submit(const storage::StoredSuite& suite, int64_t now_ns);
  absl::Status WaitForRoom(const storage::StoredSuite& suite, absl::Status full);
  // What was submitted, and why not all of it.
  struct Outcome {
    std::vector<uint64_t> sweep_ids;
    std::string problem;
  };
  absl::StatusOr<Outcome> SubmitAll(const storage::StoredSuite& suite);
  absl::StatusOr<Outcome> SubmitSweeps(const storage::StoredSuite& suite,
                                       const storage::Caller& owner,
                                       const v1::AddSuiteRequest& asked);

  const ScheduleSetting setting_;
  storage::SuiteStore suites_;
  run::WakeUp wake_up_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace torchlap::rpc
