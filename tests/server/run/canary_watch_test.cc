// Real threads and a real database; the workers are scripted and the clock is set.
#include "server/run/canary_watch.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/server/run/run_fixture.h"

namespace torchlap::run {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kHourNs = 3600 * kSecondNs;

class CanaryWatchTest : public RunTest {
 protected:
  void StartFleet(const std::vector<std::string>& names) {
    std::vector<std::unique_ptr<run::Place>> places;
    for (const std::string& name : names) places.push_back(Place(name));
    StartFleetOf(std::move(places));
  }
  void StartFleetOf(std::vector<std::unique_ptr<run::Place>> places) {
    fleet_ = std::make_unique<DeviceFleet>(std::move(places), Setting());
    fleet_->Start();
  }
  void TearDown() override {
    watch_.reset();
    fleet_.reset();
    RunTest::TearDown();
  }
  void Watch() {
    CanarySetting setting;
    setting.clock = &clock_;
    setting.plan = {6 * kHourNs, 60 * kSecondNs};
    setting.jobs = jobs_.get();
    setting.runs = runs_.get();
    setting.fleet = fleet_.get();
    setting.hub = &hub_;
    watch_ = std::make_unique<CanaryWatch>(setting);
  }
  int64_t Jobs() { return SelectInt("SELECT count(*) FROM job"); }
  int64_t Canaries() { return SelectInt("SELECT count(*) FROM job WHERE purpose = 6"); }
  bool AwaitSleep(int64_t from_now_ns) {
    return clock_.AwaitSleepUntil(clock_.MonotonicNs() + from_now_ns);
  }
  // The next worker does what it was asked for, and its job ends.
  bool RunOne(uint64_t job) {
    const auto worker = stage_.AwaitWorker();
    if (worker == nullptr || !worker->AwaitRequest()) return false;
    LiveWell(worker.get(), worker->request());
    return AwaitState(job, v1::JOB_STATE_SUCCEEDED) && AwaitIdle();
  }
  bool AwaitIdle() {
    return Await([&] {
      for (const DeviceStatus& status : fleet_->Describe()) {
        if (!status.idle_since_ns) return false;
      }
      return true;
    });
  }

  std::unique_ptr<DeviceFleet> fleet_;
  std::unique_ptr<CanaryWatch> watch_;
};

TEST_F(CanaryWatchTest, AnIdleDeviceGetsOneAndTheNextAfterItsTime) {
  StartFleet({"cpu0"});
  Watch();
  ASSERT_TRUE(AwaitSleep(60 * kSecondNs)) << "until it has been idle for long enough";
  EXPECT_EQ(Jobs(), 0);
  clock_.Advance(60 * kSecondNs);
  ASSERT_TRUE(RunOne(1));
  EXPECT_EQ(Get(1).spec().purpose(), v1::PURPOSE_CANARY);
  EXPECT_EQ(Get(1).owner(), storage::kDaemonPrincipal);
  EXPECT_EQ(Get(1).user(), "torchlapd");
  EXPECT_EQ(Get(1).runs(0).outcome(), v1::OUTCOME_OK);
  EXPECT_EQ(Get(1).runs(0).purpose(), v1::PURPOSE_CANARY);
  ASSERT_TRUE(AwaitSleep(30 * kSecondNs)) << "before another device is asked";
  clock_.Advance(30 * kSecondNs);
  ASSERT_TRUE(AwaitSleep(kHourNs));
  EXPECT_EQ(Canaries(), 1);
  for (int hour = 1; hour <= 4; ++hour) {
    clock_.Advance(kHourNs);
    ASSERT_TRUE(AwaitSleep(kHourNs)) << hour;
  }
  EXPECT_EQ(Canaries(), 1);
  clock_.Advance(kHourNs);
  ASSERT_TRUE(AwaitSleep(kHourNs - 30 * kSecondNs));
  clock_.Advance(kHourNs - 30 * kSecondNs);
  ASSERT_TRUE(RunOne(2));
  EXPECT_EQ(Canaries(), 2);
}

TEST_F(CanaryWatchTest, AnotherDaemonKnowsOfTheLastOne) {
  StartFleet({"cpu0"});
  storage::NewJob earlier = CanaryJob(fleet_->devices().front());
  const storage::Submitted submitted = Submit({earlier});
  fleet_->WakeAll();
  ASSERT_TRUE(RunOne(submitted.job_ids.front()));
  clock_.Advance(kHourNs);
  Watch();
  ASSERT_TRUE(AwaitSleep(kHourNs));
  EXPECT_EQ(Canaries(), 1);
  clock_.Advance(kHourNs);
  ASSERT_TRUE(AwaitSleep(kHourNs));
  EXPECT_EQ(Canaries(), 1);
}

TEST_F(CanaryWatchTest, DevicesAreAskedOneAfterTheOther) {
  StartFleet({"cpu0", "cpu1"});
  Watch();
  ASSERT_TRUE(AwaitSleep(60 * kSecondNs));
  clock_.Advance(60 * kSecondNs);
  ASSERT_TRUE(RunOne(1));
  ASSERT_TRUE(AwaitSleep(30 * kSecondNs));
  EXPECT_EQ(Canaries(), 1);
  clock_.Advance(30 * kSecondNs);
  ASSERT_TRUE(RunOne(2));
  EXPECT_EQ(Get(1).runs(0).device(), "cpu0");
  EXPECT_EQ(Get(2).runs(0).device(), "cpu1");
}

TEST_F(CanaryWatchTest, ADeviceWaitsForTheRunOfAnother) {
  StartFleet({"cpu0", "cpu1"});
  storage::NewJob job = storage::MakeJob();
  job.device_key = "uuid:CPU-1";
  const uint64_t users = SubmitOne(job);
  fleet_->WakeAll();
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  ASSERT_TRUE(worker->AwaitRequest());
  Watch();
  ASSERT_TRUE(AwaitSleep(60 * kSecondNs));
  clock_.Advance(60 * kSecondNs);
  ASSERT_TRUE(AwaitSleep(60 * kSecondNs));
  EXPECT_EQ(Canaries(), 0);
  LiveWell(worker.get(), worker->request());
  ASSERT_TRUE(AwaitState(users, v1::JOB_STATE_SUCCEEDED));
  ASSERT_TRUE(AwaitIdle());
  clock_.Advance(60 * kSecondNs);
  ASSERT_TRUE(RunOne(users + 1));
  EXPECT_EQ(Get(users + 1).runs(0).device(), "cpu0");
}

TEST_F(CanaryWatchTest, AUsersJobBeginsTheIdleTimeAnew) {
  StartFleet({"cpu0"});
  Watch();
  ASSERT_TRUE(AwaitSleep(60 * kSecondNs));
  clock_.Advance(59 * kSecondNs);
  const uint64_t job = SubmitOne(storage::MakeJob());
  fleet_->WakeAll();
  ASSERT_TRUE(RunOne(job));
  ASSERT_TRUE(AwaitSleep(kSecondNs));
  clock_.Advance(kSecondNs);
  ASSERT_TRUE(AwaitSleep(59 * kSecondNs));
  EXPECT_EQ(Canaries(), 0);
}

// However little the daemon has used the devices.
TEST_F(CanaryWatchTest, AUsersJobComesBeforeACanaryThatWaits) {
  StartFleet({"cpu0"});
  const uint64_t first = SubmitOne(storage::MakeJob());
  fleet_->WakeAll();
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  ASSERT_TRUE(worker->AwaitRequest());
  const storage::NewJob canary = CanaryJob(fleet_->devices().front());
  ASSERT_TRUE(jobs_->Submit(CanaryOwner(), "", "", "", {canary}, {}, ++now_ns_).ok());
  const uint64_t second = SubmitOne(storage::MakeJob());
  LiveWell(worker.get(), worker->request());
  ASSERT_NE(stage_.AwaitWorker(), nullptr);
  EXPECT_EQ(stage_.run_ids().at(0), std::to_string(first) + ".1");
  EXPECT_EQ(stage_.run_ids().at(1), std::to_string(second) + ".1");
}

TEST_F(CanaryWatchTest, ADeviceThatAnotherDaemonHasGetsNone) {
  FileDescriptor gone(::eventfd(0, EFD_CLOEXEC));
  const FileDescriptor stays(::dup(gone.get()));  // its holder does not end
  auto place = Place();
  place->HoldByAnother(std::move(gone));
  std::vector<std::unique_ptr<run::Place>> places;
  places.push_back(std::move(place));
  StartFleetOf(std::move(places));
  EXPECT_EQ(fleet_->Describe().front().device.state(), v1::DEVICE_STATE_CLAIMED);
  EXPECT_EQ(fleet_->Describe().front().idle_since_ns, std::nullopt);
  Watch();
  for (int minute = 0; minute < 5; ++minute) {
    ASSERT_TRUE(AwaitSleep(60 * kSecondNs)) << minute;
    clock_.Advance(60 * kSecondNs);
  }
  ASSERT_TRUE(AwaitSleep(60 * kSecondNs));
  EXPECT_EQ(Jobs(), 0);
}

TEST_F(CanaryWatchTest, WhileTheDatabaseCannotBeReadItLooksAgainLater) {
  StartFleet({"cpu0"});
  clock_.Advance(600 * kSecondNs);
  Break("DROP INDEX run_by_purpose");
  Watch();
  ASSERT_TRUE(AwaitSleep(60 * kSecondNs));
  EXPECT_EQ(Jobs(), 0);
  Break(
      "CREATE INDEX run_by_purpose ON run (device_id, purpose, id) "
      "WHERE outcome IS NOT NULL AND purpose > 1");
  clock_.Advance(60 * kSecondNs);
  EXPECT_TRUE(RunOne(1));
}

TEST_F(CanaryWatchTest, EndsWhileACanaryRuns) {
  StartFleet({"cpu0"});
  Watch();
  ASSERT_TRUE(AwaitSleep(60 * kSecondNs));
  clock_.Advance(60 * kSecondNs);
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  watch_.reset();
  fleet_.reset();
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_QUEUED) << "the next daemon runs it";
}

}  // namespace
}  // namespace torchlap::run
