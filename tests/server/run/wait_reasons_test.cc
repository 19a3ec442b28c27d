#include "server/run/wait_reasons.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

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

using Entries = std::vector<std::pair<uint64_t, std::string>>;  // job and device key

QueuePicture Picture(const Entries& entries) {
  storage::Queued queued;
  std::map<std::string, uint32_t> numbers;
  for (const auto& [job_id, key] : entries) {
    const auto [place, is_new] = numbers.emplace(key, static_cast<uint32_t>(numbers.size()));
    if (is_new) queued.keys.push_back(key);
    queued.entries.push_back({job_id, place->second});
  }
  return QueuePicture(std::move(queued));
}

std::map<uint64_t, v1::WaitReason> Reasons(const Entries& entries,
                                           const std::vector<DeviceStatus>& devices) {
  const QueuePicture picture = Picture(entries);
  const WaitReasons reasons(picture, devices);
  std::map<uint64_t, v1::WaitReason> all;
  for (const auto& [job_id, key] : entries) {
    if (auto reason = reasons.Of(job_id)) all.emplace(job_id, *reason);
  }
  return all;
}

uint32_t QueuedFor(const std::vector<DeviceStatus>& devices, size_t index, const Entries& entries) {
  const QueuePicture picture = Picture(entries);
  return WaitReasons(picture, devices).QueuedFor(index);
}

TEST(WaitReasonsTest, TheNextJobWaitsForTheRunOnItsDevice) {
  const auto reasons = Reasons({{5, "class:cpu"}}, {CpuDevice("cpu0", v1::DEVICE_STATE_RUNNING)});
  EXPECT_EQ(reasons.at(5).code(), v1::WaitReason::CODE_RUNNING);
  EXPECT_EQ(reasons.at(5).run_id(), "1.1");
}

TEST(WaitReasonsTest, LaterJobsAreBehindThoseThatMayRunOnTheSameDevice) {
  const auto reasons = Reasons({{5, "class:cpu"}, {6, "uuid:CPU-cpu1"}, {7, "uuid:CPU-cpu0"}},
                               {CpuDevice("cpu0", v1::DEVICE_STATE_RUNNING)});
  EXPECT_EQ(reasons.at(7).code(), v1::WaitReason::CODE_BEHIND);
  EXPECT_EQ(reasons.at(7).jobs_ahead(), 1U);  // job 6 needs another device
}

TEST(WaitReasonsTest, TheRunningJobIsNotAheadOfOthers) {
  const std::vector<DeviceStatus> devices = {CpuDevice("cpu0", v1::DEVICE_STATE_RUNNING)};
  const auto reasons = Reasons({{1, "any"}, {2, "any"}, {3, "any"}}, devices);
  EXPECT_FALSE(reasons.contains(1));
  EXPECT_EQ(reasons.at(2).code(), v1::WaitReason::CODE_RUNNING);
  EXPECT_EQ(reasons.at(3).jobs_ahead(), 1U);
  EXPECT_EQ(QueuedFor(devices, 0, {{1, "any"}, {2, "any"}, {3, "class:cuda"}}), 1U);
}

TEST(WaitReasonsTest, TheDeviceThatIsFreeFirstIsNamed) {
  const auto reasons = Reasons({{5, "class:cpu"}}, {CpuDevice("cpu0", v1::DEVICE_STATE_CLAIMED),
                                                    CpuDevice("cpu1", v1::DEVICE_STATE_IDLE)});
  EXPECT_EQ(reasons.at(5).code(), v1::WaitReason::CODE_STARTING);
  EXPECT_EQ(reasons.at(5).device(), "cpu1");
}

TEST(WaitReasonsTest, AClaimedDeviceIsSaidEvenBehindOthers) {
  DeviceStatus claimed = CpuDevice("cpu0", v1::DEVICE_STATE_CLAIMED);
  claimed.device.set_claimed_by_pid(812);
  claimed.device.set_claimed_by_user("ann");
  const auto reasons = Reasons({{5, "any"}, {6, "any"}}, {claimed});
  EXPECT_EQ(reasons.at(6).code(), v1::WaitReason::CODE_CLAIMED);
  EXPECT_EQ(reasons.at(6).pid(), 812);
  EXPECT_EQ(reasons.at(6).user(), "ann");
}

TEST(WaitReasonsTest, ADeviceThatIsGoneIsNamed) {
  const auto reasons = Reasons({{5, "uuid:GPU-9"}}, {CpuDevice("cpu0", v1::DEVICE_STATE_IDLE)});
  EXPECT_EQ(reasons.at(5).code(), v1::WaitReason::CODE_UNAVAILABLE);
  EXPECT_EQ(reasons.at(5).device(), "GPU-9");
  EXPECT_NE(reasons.at(5).detail().find("GPU-9"), std::string::npos);
}

TEST(WaitReasonsTest, AClassWithoutADeviceIsNamed) {
  const auto reasons = Reasons({{5, "class:cuda"}}, {CpuDevice("cpu0", v1::DEVICE_STATE_IDLE)});
  EXPECT_EQ(reasons.at(5).code(), v1::WaitReason::CODE_UNAVAILABLE);
  EXPECT_EQ(reasons.at(5).device(), "cuda");
}

TEST(WaitReasonsTest, AJobThatIsNotInTheQueueHasNoReason) {
  const std::vector<DeviceStatus> devices = {CpuDevice("cpu0", v1::DEVICE_STATE_IDLE)};
  const QueuePicture empty = Picture({});
  EXPECT_FALSE(WaitReasons(empty, devices).Of(5).has_value());
  EXPECT_EQ(WaitReasons(empty, devices).QueuedFor(0), 0U);
}

// The slow way: for each job, all jobs before it.
uint32_t JobsAhead(const Entries& entries, size_t job, const std::vector<DeviceStatus>& devices,
                   const std::set<uint64_t>& working) {
  uint32_t least = UINT32_MAX;
  for (const DeviceStatus& device : devices) {
    const std::set<std::string> keys(device.keys.begin(), device.keys.end());
    if (!keys.contains(entries[job].second)) continue;
    uint32_t ahead = 0;
    for (size_t i = 0; i < job; ++i) {
      ahead += keys.contains(entries[i].second) && !working.contains(entries[i].first);
    }
    least = std::min(least, ahead);
  }
  return least == UINT32_MAX ? 0 : least;
}

TEST(WaitReasonsTest, CountsAreThoseOfTheSlowWay) {
  const std::vector<std::string> keys = {"class:cpu", "any", "uuid:CPU-cpu0", "uuid:CPU-cpu1",
                                         "class:cuda"};
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    Entries entries;
    const size_t jobs = 1 + random() % 40;
    for (size_t i = 0; i < jobs; ++i) entries.emplace_back(i + 1, keys[random() % keys.size()]);
    std::shuffle(entries.begin(), entries.end(), random);
    std::vector<DeviceStatus> devices = {CpuDevice("cpu0", v1::DEVICE_STATE_RUNNING),
                                         CpuDevice("cpu1", v1::DEVICE_STATE_IDLE)};
    const uint64_t at_work = 1 + random() % jobs;
    devices[0].device.set_run_id(std::to_string(at_work) + ".3");
    const auto reasons = Reasons(entries, devices);
    uint32_t for_cpu1 = 0;
    for (size_t i = 0; i < jobs; ++i) {
      const uint64_t id = entries[i].first;
      if (id == at_work) {
        EXPECT_FALSE(reasons.contains(id));
        continue;
      }
      EXPECT_EQ(reasons.at(id).jobs_ahead(), JobsAhead(entries, i, devices, {at_work}));
      const auto& of_cpu1 = devices[1].keys;
      for_cpu1 += std::count(of_cpu1.begin(), of_cpu1.end(), entries[i].second) > 0;
    }
    EXPECT_EQ(QueuedFor(devices, 1, entries), for_cpu1);
  }
}

TEST(WaitReasonsTest, ADeviceThatOthersUseSaysWho) {
  DeviceStatus busy = CpuDevice("cpu0", v1::DEVICE_STATE_BUSY);
  busy.device.set_detail("python3 (pid 4211, ann) computes on it");
  const auto reasons = Reasons({{5, "class:cpu"}, {6, "class:cpu"}}, {busy});
  EXPECT_EQ(reasons.at(5).code(), v1::WaitReason::CODE_BUSY);
  EXPECT_EQ(reasons.at(5).device(), "cpu0");
  EXPECT_EQ(reasons.at(5).detail(), "python3 (pid 4211, ann) computes on it");
  EXPECT_EQ(reasons.at(6).code(), v1::WaitReason::CODE_BEHIND);
  // One that runs something else is free sooner.
  const auto of_two =
      Reasons({{5, "class:cpu"}}, {busy, CpuDevice("cpu1", v1::DEVICE_STATE_RUNNING)});
  EXPECT_EQ(of_two.at(5).code(), v1::WaitReason::CODE_RUNNING);
}

}  // namespace
}  // namespace torchlap::run
