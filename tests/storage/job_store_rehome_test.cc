#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::Each;
using testing::Pair;

PresentDevices Has(const std::vector<DeviceIdentity>& devices) {
  PresentDevices present;
  for (const DeviceIdentity& device : devices) {
    present.devices.push_back(device);
    const bool is_cpu = device.uuid.starts_with("CPU-");
    for (std::string key : {"uuid:" + device.uuid, std::string(is_cpu ? "class:cpu" : "class:cuda"),
                            std::string("any")}) {
      present.keys.push_back(std::move(key));
    }
  }
  return present;
}

NewJob JobOn(const std::string& key, const std::string& asked = "", uint32_t launches = 1) {
  NewJob job = MakeJob("small", launches);
  job.device_key = key;
  job.spec.set_device(asked);
  return job;
}

class JobStoreRehome : public StoreTest {
 protected:
  const DeviceIdentity gpu0_{"cuda:0", "GPU-0", "Some GPU"};
  const DeviceIdentity gpu1_{"cuda:1", "GPU-1", "Some GPU"};

  Rehomed Rehome(const PresentDevices& present) {
    const absl::StatusOr<Rehomed> rehomed = jobs_->Rehome(present, ++now_ns_);
    EXPECT_TRUE(rehomed.ok()) << rehomed.status();
    return rehomed.ok() ? *rehomed : Rehomed();
  }
  // A daemon that is stopped while the first launch of the sweep runs.
  void StartAndInterrupt(uint64_t job_id, const DeviceIdentity& device) {
    ASSERT_TRUE(jobs_->Start(job_id, 0, device, ++now_ns_).ok());
    Reopen();
    ASSERT_EQ(jobs_->RecoverInterrupted(++now_ns_).value(), 1u);
  }
  std::vector<std::string> KeysOfLaunches() {
    std::vector<std::string> keys;
    for (const auto& [job, key] : KeysOfJobs()) keys.push_back(key);
    return keys;
  }
};

TEST_F(JobStoreRehome, APinnedSweepGoesBackToItsClassAndRunsOnTheNewCores) {
  const Submitted sweep =
      Submit({JobOn("class:cpu", "", 2), JobOn("class:cpu"), JobOn("class:cpu", "cpu", 3)});
  StartAndInterrupt(sweep.job_ids[0], cpu0_);
  EXPECT_THAT(KeysOfLaunches(), Each("uuid:CPU-0"));
  const Rehomed rehomed = Rehome(Has({cpu1_}));
  EXPECT_EQ(rehomed.launches, 6u);
  EXPECT_EQ(rehomed.failed_jobs, 0u);
  EXPECT_THAT(KeysOfLaunches(), Each("class:cpu"));
  ASSERT_TRUE(jobs_->Start(sweep.job_ids[1], 0, cpu1_, ++now_ns_).ok());
  EXPECT_THAT(KeysOfLaunches(), Each("uuid:CPU-1")) << "together again";
  EXPECT_EQ(SelectInt("SELECT count(*) FROM launch WHERE home_key IS NOT 'class:cpu'"), 0);
}

TEST_F(JobStoreRehome, EachLaunchGoesBackToWhatItWasAskedFor) {
  const Submitted sweep =
      Submit({JobOn("class:cpu"), JobOn("any", "any"), JobOn("class:cuda", "cuda")});
  StartAndInterrupt(sweep.job_ids[0], cpu0_);
  Rehome(Has({cpu1_}));
  EXPECT_THAT(KeysOfJobs(), testing::ElementsAre(Pair(sweep.job_ids[0], "class:cpu"),
                                                 Pair(sweep.job_ids[1], "any"),
                                                 Pair(sweep.job_ids[2], "class:cuda")));
}

TEST_F(JobStoreRehome, WhatWasAskedForByNameOrUuidFailsWithTheReason) {
  const uint64_t by_name = SubmitOne(JobOn("uuid:CPU-0", "cpu0", 2));
  const uint64_t by_uuid = SubmitOne(JobOn("uuid:CPU-0", "CPU-0"));
  const uint64_t elsewhere = SubmitOne(JobOn("uuid:CPU-1", "cpu1"));
  const uint64_t before = jobs_->LastSequence().value();
  const Rehomed rehomed = Rehome(Has({cpu1_}));
  EXPECT_EQ(rehomed.failed_jobs, 2u);
  EXPECT_EQ(rehomed.launches, 0u);
  EXPECT_EQ(Get(by_name).state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(Get(by_name).reason(), "device `cpu0` (CPU-0) is gone: this daemon has cpu1 (CPU-1)");
  EXPECT_EQ(Get(by_name).finished_at_ns(), now_ns_);
  EXPECT_EQ(Get(by_uuid).reason(), "device `CPU-0` is gone: this daemon has cpu1 (CPU-1)");
  EXPECT_EQ(Get(elsewhere).state(), v1::JOB_STATE_QUEUED);
  EXPECT_THAT(KeysOfJobs(), testing::ElementsAre(Pair(elsewhere, "uuid:CPU-1")));
  const std::vector<v1::JobEvent> events = jobs_->Events(before, 10).value();
  ASSERT_EQ(events.size(), 2u);
  for (const v1::JobEvent& event : events) EXPECT_EQ(event.state(), v1::JOB_STATE_FAILED);
}

TEST_F(JobStoreRehome, OfOneSweepThePinnedGoBackAndTheNamedFail) {
  const Submitted sweep = Submit({JobOn("class:cpu"), JobOn("uuid:CPU-0", "cpu0")});
  StartAndInterrupt(sweep.job_ids[0], cpu0_);
  const Rehomed rehomed = Rehome(Has({cpu1_, gpu0_}));
  EXPECT_EQ(rehomed.launches, 1u);
  EXPECT_EQ(rehomed.failed_jobs, 1u);
  EXPECT_EQ(Get(sweep.job_ids[0]).state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Get(sweep.job_ids[1]).reason(),
            "device `cpu0` (CPU-0) is gone: this daemon has cpu1 (CPU-1), cuda:0 (GPU-0)");
}

TEST_F(JobStoreRehome, AGpuThatIsNotThereMayComeBack) {
  const Submitted sweep = Submit({JobOn("class:cuda"), JobOn("uuid:GPU-0", "cuda:0")});
  StartAndInterrupt(sweep.job_ids[0], gpu0_);
  const Rehomed without_driver = Rehome(Has({cpu0_}));
  EXPECT_EQ(without_driver.launches + without_driver.failed_jobs, 0u);
  EXPECT_THAT(KeysOfLaunches(), Each("uuid:GPU-0"));
  const Rehomed with_another = Rehome(Has({cpu0_, gpu1_}));
  EXPECT_EQ(with_another.launches, 1u);
  EXPECT_EQ(with_another.failed_jobs, 0u);
  EXPECT_THAT(KeysOfJobs(), testing::ElementsAre(Pair(sweep.job_ids[0], "class:cuda"),
                                                 Pair(sweep.job_ids[1], "uuid:GPU-0")));
}

TEST_F(JobStoreRehome, WhatWaitsForADeviceThatIsPresentIsLeftAlone) {
  const Submitted sweep = Submit({JobOn("class:cpu"), JobOn("uuid:CPU-1", "cpu1")});
  StartAndInterrupt(sweep.job_ids[0], cpu0_);
  const uint64_t before = jobs_->LastSequence().value();
  const Rehomed rehomed = Rehome(Has({cpu0_, cpu1_}));
  EXPECT_EQ(rehomed.launches + rehomed.failed_jobs, 0u);
  EXPECT_EQ(jobs_->LastSequence().value(), before);
  EXPECT_THAT(KeysOfJobs(), testing::ElementsAre(Pair(sweep.job_ids[0], "uuid:CPU-0"),
                                                 Pair(sweep.job_ids[1], "uuid:CPU-1")));
}

TEST_F(JobStoreRehome, WithoutAnyDeviceThePinnedWaitForTheirClass) {
  const Submitted sweep = Submit({JobOn("class:cpu"), JobOn("uuid:CPU-0", "cpu0")});
  StartAndInterrupt(sweep.job_ids[0], cpu0_);
  Rehome({});
  EXPECT_THAT(KeysOfJobs(), testing::ElementsAre(Pair(sweep.job_ids[0], "class:cpu")));
  EXPECT_EQ(Get(sweep.job_ids[1]).reason(),
            "device `cpu0` (CPU-0) is gone: this daemon has no device");
}

}  // namespace
}  // namespace torchlap::storage
