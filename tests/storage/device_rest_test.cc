#include "storage/device_rest.h"

#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

class DeviceRestTest : public StoreTest {
 protected:
  DeviceRest Rest(const std::string& uuid = "CPU-0", int64_t since_ns = 0) {
    const auto rest = RestOf(*database_, uuid, {"uuid:" + uuid, "class:cpu", "any"}, since_ns);
    EXPECT_TRUE(rest.ok()) << rest.status();
    return rest.ok() ? *rest : DeviceRest();
  }
};

TEST_F(DeviceRestTest, ADeviceThatNeverRanAnythingRests) {
  EXPECT_FALSE(Rest().has_work);
  EXPECT_FALSE(Rest().last_end_ns);
}

TEST_F(DeviceRestTest, WhatWaitsForItOrItsClassIsWork) {
  SubmitOne(MakeJob());
  EXPECT_TRUE(Rest().has_work);
  EXPECT_TRUE(Rest("CPU-1").has_work);
  const auto gpu = RestOf(*database_, "GPU-0", {"uuid:GPU-0", "class:cuda"}, 0);
  ASSERT_TRUE(gpu.ok());
  EXPECT_FALSE(gpu->has_work);
}

TEST_F(DeviceRestTest, WhatRunsIsWorkOfItsDeviceAlone) {
  const StartedRun started = Start(SubmitOne(MakeJob()));
  EXPECT_TRUE(Rest().has_work);
  EXPECT_FALSE(Rest("CPU-1").has_work);
  Finish(Ended(started), LaunchDone());
  EXPECT_FALSE(Rest().has_work);
}

TEST_F(DeviceRestTest, RestBeginsAtTheEndOfTheNewestRun) {
  RunToEnd(MakeJob());
  const StartedRun started = Start(SubmitOne(MakeJob()));
  Finish(Ended(started), LaunchDone());
  const int64_t begin_ns = started.run.started_at_ns();
  EXPECT_EQ(Rest().last_end_ns, begin_ns + 1'000'000'000);
  EXPECT_EQ(Rest("CPU-0", begin_ns).last_end_ns, begin_ns + 1'000'000'000);
  EXPECT_FALSE(Rest("CPU-0", begin_ns + 1).last_end_ns);
  EXPECT_FALSE(Rest("CPU-1").last_end_ns);
}

// A suite that waits for two hours of rest would never come beside a canary every hour.
TEST_F(DeviceRestTest, ACanaryEndsNoRest) {
  const StartedRun started = Start(SubmitOne(MakeJob()));
  Finish(Ended(started), LaunchDone());
  NewJob canary = MakeJob();
  canary.spec.set_purpose(v1::PURPOSE_CANARY);
  RunToEnd(canary);
  EXPECT_EQ(Rest().last_end_ns, started.run.started_at_ns() + 1'000'000'000);
}

}  // namespace
}  // namespace torchlap::storage
