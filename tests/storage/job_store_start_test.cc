#include <latch>
#include <thread>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::HasSubstr;

class JobStoreStart : public StoreTest {};

TEST_F(JobStoreStart, TheStartedRunIsComplete) {
  NewJob job = MakeJob("small", 8, 128);
  (*job.spec.mutable_labels())["k"] = "v";
  job.spec.mutable_plan()->set_seed(7);
  const Submitted submitted = Submit({job}, "", "sweep");
  const StartedRun started = Start(submitted.job_ids[0]);
  EXPECT_EQ(started.job.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(started.job.device(), "cpu0");
  EXPECT_EQ(started.job.started_at_ns(), now_ns_);
  const v1::Run& run = started.run;
  EXPECT_EQ(run.run_id(), std::to_string(submitted.job_ids[0]) + ".1");
  EXPECT_EQ(run.job_id(), submitted.job_ids[0]);
  EXPECT_EQ(run.number(), 1u);
  EXPECT_EQ(run.sweep_id(), submitted.sweep_id);
  EXPECT_EQ(run.sweep_name(), "sweep");
  EXPECT_EQ(run.user(), "ann");
  EXPECT_EQ(run.device(), "cpu0");
  EXPECT_EQ(run.device_uuid(), "CPU-0");
  EXPECT_EQ(run.device_model(), "Some CPU");
  EXPECT_EQ(run.workload().SerializeAsString(), job.spec.workload().SerializeAsString());
  EXPECT_EQ(run.plan().SerializeAsString(), job.spec.plan().SerializeAsString());
  EXPECT_EQ(run.parameters(), job.parameters);
  EXPECT_EQ(run.requested_batch_size(), 8u);
  EXPECT_EQ(run.requested_context_length(), 128u);
  EXPECT_EQ(run.purpose(), v1::PURPOSE_MEASURE);
  EXPECT_EQ(run.cause(), v1::CAUSE_FIRST);
  EXPECT_EQ(run.outcome(), v1::OUTCOME_UNSPECIFIED);
  EXPECT_EQ(run.started_at_ns(), now_ns_);
  EXPECT_EQ(run.boot_id(), "boot-1");
  EXPECT_EQ(run.labels().at("k"), "v");
}

TEST_F(JobStoreStart, OnlyOneOfTwoThreadsGetsALaunch) {
  for (int round = 0; round < 20; ++round) {
    const uint64_t id = SubmitOne(MakeJob());
    std::latch together(2);
    std::vector<absl::StatusCode> codes(2);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        together.arrive_and_wait();
        codes[i] = jobs_->Start(id, 0, i == 0 ? cpu0_ : cpu1_, now_ns_).status().code();
      });
    }
    threads.clear();
    EXPECT_THAT(codes,
                testing::UnorderedElementsAre(absl::StatusCode::kOk, absl::StatusCode::kAborted));
    EXPECT_EQ(Get(id).runs_size(), 1);
  }
}

TEST_F(JobStoreStart, ALaunchThatIsNotThereIsAborted) {
  const uint64_t id = SubmitOne(MakeJob());
  const absl::Status status = jobs_->Start(id, 1, cpu0_, now_ns_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("launch 1 of job " + std::to_string(id)));
}

TEST_F(JobStoreStart, ASweepStaysOnTheDeviceThatStartedIt) {
  NewJob any = MakeJob("large");
  any.device_key = "any";
  NewJob cuda = MakeJob("xl");
  cuda.device_key = "class:cuda";
  NewJob fixed = MakeJob("2.7B");
  fixed.device_key = "uuid:CPU-1";
  const Submitted sweep = Submit({MakeJob(), MakeJob("medium"), any, cuda, fixed});
  const uint64_t of_other_sweep = SubmitOne(MakeJob());
  ASSERT_TRUE(jobs_->Start(sweep.job_ids[0], 0, cpu0_, now_ns_).ok());
  const std::map<uint64_t, std::string> keys = KeysOfJobs();
  EXPECT_EQ(keys.at(sweep.job_ids[0]), "uuid:CPU-0");
  EXPECT_EQ(keys.at(sweep.job_ids[1]), "uuid:CPU-0");
  EXPECT_EQ(keys.at(sweep.job_ids[2]), "uuid:CPU-0");
  EXPECT_EQ(keys.at(sweep.job_ids[3]), "class:cuda") << "a CPU cannot run it";
  EXPECT_EQ(keys.at(sweep.job_ids[4]), "uuid:CPU-1");
  EXPECT_EQ(keys.at(of_other_sweep), "class:cpu");
}

TEST_F(JobStoreStart, AnOutOfMemoryOfTheSweepIsFoundForCellsThatAreNoSmaller) {
  const auto cell = [](const std::string& size, uint32_t batch) {
    return MakeJob(size, batch, 256);
  };
  const Submitted sweep =
      Submit({cell("small", 8), cell("small", 16), cell("small", 4), cell("medium", 16)});
  const uint64_t of_other_sweep = SubmitOne(cell("small", 16));
  const absl::StatusOr<StartedRun> started = jobs_->Start(sweep.job_ids[0], 0, cpu0_, now_ns_);
  ASSERT_TRUE(started.ok());
  ASSERT_TRUE(
      jobs_->FinishRun(Ended(*started, v1::OUTCOME_OUT_OF_MEMORY), JobFailed("no memory"), now_ns_)
          .ok());
  const auto found = [&](uint64_t job, uint32_t batch, const std::string& uuid) {
    return jobs_->OutOfMemoryInSweep(job, uuid, batch, 256).value().has_value();
  };
  EXPECT_TRUE(found(sweep.job_ids[1], 16, cpu0_.uuid));
  EXPECT_FALSE(found(sweep.job_ids[2], 4, cpu0_.uuid)) << "smaller";
  EXPECT_FALSE(found(sweep.job_ids[1], 16, "CPU-1")) << "another device";
  EXPECT_FALSE(found(sweep.job_ids[3], 16, cpu0_.uuid)) << "another model";
  EXPECT_FALSE(found(of_other_sweep, 16, cpu0_.uuid)) << "another sweep";
  EXPECT_FALSE(found(sweep.job_ids[0], 8, cpu0_.uuid)) << "its own run";
}

}  // namespace
}  // namespace torchlap::storage
