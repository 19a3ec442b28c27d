#include "server/run/wait_reasons.h"

#include <gtest/gtest.h>

namespace torchlap::run {
namespace {

DeviceStatus CpuDevice(const std::string& name, v1::DeviceState state) {
  DeviceStatus status;
  status.device.set_name(name);
  status.device.set_state(state);
  status.device.set_run_id(state == v1::DEVICE_STATE_RUNNING ? "1.1" : "");
  status.keys = {"uuid:CPU-" + name, "class:cpu", "any"};
  return status;
}

TEST(WaitReasonsTest, TheNextJobWaitsForTheRunOnItsDevice) {
  const auto reasons =
      WaitReasons({{5, "class:cpu"}}, {CpuDevice("cpu0", v1::DEVICE_STATE_RUNNING)});
  EXPECT_EQ(reasons.at(5).code(), v1::WaitReason::CODE_RUNNING);
  EXPECT_EQ(reasons.at(5).run_id(), "1.1");
}

TEST(WaitReasonsTest, LaterJobsAreBehindThoseThatMayRunOnTheSameDevice) {
  const auto reasons = WaitReasons({{5, "class:cpu"}, {6, "uuid:CPU-1"}, {7, "uuid:CPU-cpu0"}},
                                   {CpuDevice("cpu0", v1::DEVICE_STATE_RUNNING)});
  EXPECT_EQ(reasons.at(7).code(), v1::WaitReason::CODE_BEHIND);
  EXPECT_EQ(reasons.at(7).jobs_ahead(), 1U);  // job 6 needs another device
}

TEST(WaitReasonsTest, TheRunningJobIsNotAheadOfOthers) {
  const std::vector<DeviceStatus> devices = {CpuDevice("cpu0", v1::DEVICE_STATE_RUNNING)};
  const auto reasons = WaitReasons({{1, "any"}, {2, "any"}, {3, "any"}}, devices);
  EXPECT_FALSE(reasons.contains(1));
  EXPECT_EQ(reasons.at(2).code(), v1::WaitReason::CODE_RUNNING);
  EXPECT_EQ(reasons.at(3).jobs_ahead(), 1U);
  EXPECT_EQ(QueuedFor(devices, 0, {{1, "any"}, {2, "any"}, {3, "class:cuda"}}), 1U);
}

TEST(WaitReasonsTest, TheDeviceThatIsFreeFirstIsNamed) {
  const auto reasons = WaitReasons({{5, "class:cpu"}}, {CpuDevice("cpu0", v1::DEVICE_STATE_CLAIMED),
                                                        CpuDevice("cpu1", v1::DEVICE_STATE_IDLE)});
  EXPECT_EQ(reasons.at(5).code(), v1::WaitReason::CODE_STARTING);
  EXPECT_EQ(reasons.at(5).device(), "cpu1");
}

TEST(WaitReasonsTest, AClaimedDeviceIsSaidEvenBehindOthers) {
  DeviceStatus claimed = CpuDevice("cpu0", v1::DEVICE_STATE_CLAIMED);
  claimed.device.set_claimed_by_pid(812);
  claimed.device.set_claimed_by_user("ann");
  const auto reasons = WaitReasons({{5, "any"}, {6, "any"}}, {claimed});
  EXPECT_EQ(reasons.at(6).code(), v1::WaitReason::CODE_CLAIMED);
  EXPECT_EQ(reasons.at(6).pid(), 812);
  EXPECT_EQ(reasons.at(6).user(), "ann");
}

TEST(WaitReasonsTest, ADeviceThatIsGoneIsNamed) {
  const auto reasons = WaitReasons({{5, "uuid:GPU-9"}}, {CpuDevice("cpu0", v1::DEVICE_STATE_IDLE)});
  EXPECT_EQ(reasons.at(5).code(), v1::WaitReason::CODE_UNAVAILABLE);
  EXPECT_NE(reasons.at(5).detail().find("GPU-9"), std::string::npos);
}

}  // namespace
}  // namespace torchlap::run
