#include "server/rpc/waiting.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <thread>

#include "storage/database.h"

namespace torchlap::rpc {
namespace {

storage::NewJob MakeJob(int32_t priority = 0) {
  storage::NewJob job;
  job.spec.mutable_workload()->mutable_transformer_lm()->set_batch_size(1);
  job.spec.set_priority(priority);
  job.device_key = "class:cpu";
  job.workload_hash = "hash";
  return job;
}

std::vector<run::DeviceStatus> OneCpu() {
  run::DeviceStatus cpu;
  cpu.device.set_name("cpu0");
  cpu.device.set_state(v1::DEVICE_STATE_IDLE);
  cpu.keys = {"uuid:CPU-0", "class:cpu", "any"};
  return {cpu};
}

class WaitingTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "torchlap-waiting-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto opened = storage::Database::Open(folder_ / "torchlap.db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    database_ = *std::move(opened);
    jobs_ = std::make_unique<storage::JobStore>(database_.get(), "boot", 0);
    waiting_ = std::make_unique<Waiting>(jobs_.get());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<uint64_t> Submit(const std::vector<storage::NewJob>& jobs) {
    const auto submitted = jobs_->Submit({"uid:1", "ann", false}, "", "", "", jobs, {}, 1);
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    return submitted.ok() ? submitted->job_ids : std::vector<uint64_t>(jobs.size());
  }
  v1::WaitReason ReasonOf(uint64_t job_id) {
    std::vector<v1::Job> one = {*jobs_->Get(job_id)};
    EXPECT_TRUE(waiting_->Explain(OneCpu(), &one).ok());
    return one[0].wait();
  }
  uint32_t QueuedForCpu() {
    std::vector<run::DeviceStatus> devices = OneCpu();
    EXPECT_TRUE(waiting_->CountQueued(&devices).ok());
    return devices[0].device.queued_jobs();
  }

  std::filesystem::path folder_;
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<storage::JobStore> jobs_;
  std::unique_ptr<Waiting> waiting_;
};

TEST_F(WaitingTest, OfARunningJobItSaysWhyItsRunIsNotStored) {
  std::vector<run::DeviceStatus> devices = OneCpu();
  devices[0].trouble = {"the disk is full", 2};
  std::vector<v1::Job> jobs(3);
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].set_job_id(i + 1);
    jobs[i].set_state(v1::JOB_STATE_RUNNING);
  }
  ASSERT_TRUE(waiting_->Explain(devices, &jobs).ok());
  EXPECT_EQ(jobs[0].not_stored(), "");
  EXPECT_EQ(jobs[1].not_stored(), "the disk is full");
  EXPECT_EQ(jobs[2].not_stored(), "");
}

TEST_F(WaitingTest, EachChangeOfTheQueueIsSeenByTheNextQuestion) {
  const std::vector<uint64_t> ids = Submit({MakeJob(), MakeJob(), MakeJob()});
  EXPECT_EQ(ReasonOf(ids[0]).code(), v1::WaitReason::CODE_STARTING);
  EXPECT_EQ(ReasonOf(ids[2]).jobs_ahead(), 2U);
  EXPECT_EQ(QueuedForCpu(), 3U);
  Submit({MakeJob(/*priority=*/5)});
  EXPECT_EQ(ReasonOf(ids[2]).jobs_ahead(), 3U);
  ASSERT_TRUE(jobs_->Cancel({ids[0], ids[1]}, {"uid:1", "ann", false}, 2).ok());
  EXPECT_EQ(ReasonOf(ids[2]).jobs_ahead(), 1U);
  EXPECT_EQ(QueuedForCpu(), 2U);
  EXPECT_FALSE(ReasonOf(ids[0]).ByteSizeLong() > 0) << "cancelled jobs wait for nothing";
}

// A start pins the rest of its sweep, which another device then does not take any more.
TEST_F(WaitingTest, APinnedSweepIsSeenByTheNextQuestion) {
  const std::vector<uint64_t> ids = Submit({MakeJob(), MakeJob()});
  EXPECT_EQ(QueuedForCpu(), 2U);
  ASSERT_TRUE(jobs_->Start(ids[0], 0, {"cpu1", "CPU-1", "Some CPU"}, 2).ok());
  EXPECT_EQ(QueuedForCpu(), 0U);
  EXPECT_EQ(ReasonOf(ids[1]).device(), "CPU-1");
  EXPECT_EQ(ReasonOf(ids[1]).code(), v1::WaitReason::CODE_UNAVAILABLE);
}

TEST_F(WaitingTest, JobsThatWaitForNothingAreLeftAlone) {
  std::vector<v1::Job> none;
  EXPECT_TRUE(waiting_->Explain(OneCpu(), &none).ok());
  std::vector<v1::Job> finished(1);
  finished[0].set_job_id(7);
  finished[0].set_state(v1::JOB_STATE_FAILED);
  EXPECT_TRUE(waiting_->Explain(OneCpu(), &finished).ok());
  EXPECT_FALSE(finished[0].has_wait());
}

TEST_F(WaitingTest, ManyMayAskWhileTheQueueGrows) {
  const std::vector<uint64_t> ids = Submit(std::vector<storage::NewJob>(20, MakeJob()));
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(ReasonOf(ids.back()).jobs_ahead(), 19U) << "later ones are not ahead";
      }
    });
  }
  for (int i = 0; i < 20; ++i) Submit({MakeJob()});
  threads.clear();
  EXPECT_EQ(QueuedForCpu(), 40U);
}

}  // namespace
}  // namespace torchlap::rpc
