#include "server/run/device_fleet.h"

#include <set>

#include "tests/server/run/run_fixture.h"

namespace torchlap::run {
namespace {

class DeviceFleetTest : public RunTest {
 protected:
  std::unique_ptr<DeviceFleet> MakeFleet(const std::vector<std::string>& names) {
    std::vector<std::unique_ptr<run::Place>> places;
    for (const std::string& name : names) places.push_back(Place(name));
    return std::make_unique<DeviceFleet>(std::move(places), Setting());
  }
  bool AwaitAllFinished(const std::vector<uint64_t>& jobs) {
    return Await([&] {
             const auto counts = jobs_->Count();
             return counts.ok() && counts->queued_jobs + counts->running_jobs == 0;
           }) &&
           !jobs.empty();
  }
};

TEST_F(DeviceFleetTest, TwoDevicesNeverRunTheSameLaunch) {
  stage_.PlayByThemselves();
  const auto fleet = MakeFleet({"cpu0", "cpu1", "cpu2"});
  fleet->Start();
  std::vector<uint64_t> jobs;
  // A sweep each: the jobs of one sweep would stay on one device.
  for (int i = 0; i < 60; ++i) {
    jobs.push_back(SubmitOne(storage::MakeJob()));
    fleet->WakeAll();
  }
  ASSERT_TRUE(AwaitAllFinished(jobs));
  const std::vector<std::string> ran = stage_.run_ids();
  EXPECT_EQ(std::set<std::string>(ran.begin(), ran.end()).size(), ran.size());
  for (const uint64_t job : jobs) {
    EXPECT_EQ(Get(job).state(), v1::JOB_STATE_SUCCEEDED);
    EXPECT_EQ(Get(job).runs_size(), 1);
  }
}

TEST_F(DeviceFleetTest, ASweepStaysOnTheDeviceThatTookItFirst) {
  stage_.PlayByThemselves();
  const auto fleet = MakeFleet({"cpu0", "cpu1"});
  const storage::Submitted sweep =
      Submit({storage::MakeJob("small", 3), storage::MakeJob("medium", 3)});
  fleet->Start();
  ASSERT_TRUE(AwaitAllFinished(sweep.job_ids));
  std::set<std::string> devices;
  for (const uint64_t job : sweep.job_ids) {
    const v1::Job ended = Get(job);
    for (const v1::Run& run : ended.runs()) devices.insert(run.device());
  }
  EXPECT_EQ(devices.size(), 1U);
}

TEST_F(DeviceFleetTest, AStopEndsAllWorkersAndQueuesTheirLaunchesAgain) {
  auto fleet = MakeFleet({"cpu0", "cpu1"});
  fleet->Start();
  const uint64_t first = SubmitOne(storage::MakeJob());
  const uint64_t second = SubmitOne(storage::MakeJob());
  fleet->WakeAll();
  const auto one = stage_.AwaitWorker();
  const auto two = stage_.AwaitWorker();
  ASSERT_NE(two, nullptr);
  fleet->Stop();
  fleet.reset();
  EXPECT_EQ(one->terminations() + two->terminations(), 2);
  for (const uint64_t job : {first, second}) {
    EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
    EXPECT_EQ(Get(job).interruptions(), 0U);
  }
}

TEST_F(DeviceFleetTest, DevicesAreDescribedInTheirOrderWithTheirKeys) {
  const auto fleet = MakeFleet({"cpu0", "cpu1"});
  const std::vector<DeviceStatus> status = fleet->Describe();
  ASSERT_EQ(status.size(), 2U);
  EXPECT_EQ(status[1].device.name(), "cpu1");
  EXPECT_EQ(status[1].keys.front(), "uuid:CPU-1");
  EXPECT_EQ(fleet->devices()[0].name, "cpu0");
}

}  // namespace
}  // namespace torchlap::run
