// A fresh database in a folder of its own, and jobs and results to put into it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"

namespace torchlap::storage {

// Removed with all that is in it on destruction.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The bytes of a file.
std::string Contents(const std::filesystem::path& file);

// A job of preset `size` (edition cs336-2025), forward-backward, fp32, batch 4, context 256, on
// class:cpu.
NewJob MakeJob(const std::string& size = "small", uint32_t launches = 1);
// With other sizes, and the hash that goes with them.
NewJob MakeJob(const std::string& size, uint32_t batch, uint32_t context);
// The same hash for the same computation.
std::string HashOf(const v1::Workload& workload);

// The run of `started`, ended: 1 s, means of 10, 20 and 31 ms where OK, two samples.
FinishedRun Ended(const StartedRun& started, v1::Outcome outcome = v1::OUTCOME_OK);

AfterRun LaunchDone();
AfterRun TryAgain(uint32_t batch, uint32_t context);
AfterRun JobFailed(const std::string& reason);
AfterRun JobCancelled(const std::string& reason);
AfterRun Interrupted();

class StoreTest : public testing::Test {
 protected:
  void SetUp() override;
  // Closes and opens the file again, as a daemon that starts does.
  void Reopen(uint32_t max_interruptions = 10, uint32_t max_queued_jobs = 0);
  void Reopen(const QueueLimits& limits, uint32_t max_interruptions = 10);

  void Close();
  // As a damaged disk does it: without a look at what refers to the row.
  void Break(const std::string& sql);

  Submitted Submit(const std::vector<NewJob>& jobs, const std::string& request_id = "",
                   const std::string& sweep_name = "");
  // Of one job: its id.
  uint64_t SubmitOne(const NewJob& job);
  StartedRun Start(uint64_t job_id, uint32_t launch = 0);
  v1::JobState Finish(const FinishedRun& finished, const AfterRun& after);
  // Submits, starts and ends one job; its run is `<job>.1`.
  uint64_t RunToEnd(const NewJob& job, v1::Outcome outcome = v1::OUTCOME_OK);
  v1::Job Get(uint64_t job_id);
  // The launches that wait for class:cpu or the device cpu0, by position.
  std::vector<QueueHead> Heads();
  // The device key of each job's first launch in the queue.
  std::map<uint64_t, std::string> KeysOfJobs();
  int64_t SelectInt(const std::string& sql);
  std::string SelectText(const std::string& sql);
  // Of PRAGMA integrity_check.
  std::string Integrity();

  const Caller ann_{"uid:1000", "ann", false};
  const Caller bob_{"uid:1001", "bob", false};
  const Caller root_{"uid:0", "root", true};
  const DeviceIdentity cpu0_{"cpu0", "CPU-0", "Some CPU"};
  const DeviceIdentity cpu1_{"cpu1", "CPU-1", "Some CPU"};
  int64_t now_ns_ = 1'700'000'000'000'000'000;  // grows with each call that changes something

  TemporaryFolder folder_;
  std::filesystem::path file_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<JobStore> jobs_;
  std::unique_ptr<RunStore> runs_;
};

}  // namespace torchlap::storage
