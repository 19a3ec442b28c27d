// Devices of a fake libnvidia-ml, from the driver to `torchlap devices` and the job that wants one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<std::string> RunOn(const std::string& device) {
  std::vector<std::string> words = Tiny({"--device", device});
  words.insert(words.begin(), "run");
  return words;
}

TEST(NvmlTest, WithoutAGpuTheClassCudaIsRefusedAtSubmit) {
  World world(World::FakeGpus());
  world.DescribeGpus("driver 580.65.06\n");
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished run = world.Client(RunOn("cuda"));
  EXPECT_EQ(run.status, 4);
  EXPECT_THAT(run.err, HasSubstr("no CUDA device"));
}

TEST(NvmlTest, GpusAreListedAndOneOfThemTakesAJob) {
  World world(World::FakeGpus());
  world.DescribeGpus(
      "gpu GPU-1111 40960 NVIDIA A100\ngpu GPU-2222 40960 NVIDIA A100\n"
      "power-limit-mw 300000\necc 1\n");
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const json devices = world.Json({"devices"});
  ASSERT_EQ(devices.size(), 3U);
  EXPECT_EQ(devices[2]["name"], "cuda:1");
  EXPECT_EQ(devices[2]["uuid"], "GPU-2222");
  EXPECT_EQ(devices[2]["state"], "idle");
  EXPECT_EQ(devices[2]["memory_bytes"], 42949672960);
  EXPECT_EQ(world.Client(RunOn("cuda:1")).status, 0);
  EXPECT_EQ(world.Json({"show", "1"})["runs"][0]["device_uuid"], "GPU-2222");
  const json environment = world.Json({"show", "1.1"})["environment"];
  EXPECT_EQ(environment["gpu_power_limit_watts"], 300.0);
  EXPECT_EQ(environment["gpu_ecc"], "on");
}

TEST(NvmlTest, OnADriverTooOldAJobFailsAndSaysWhatIsNeeded) {
  const std::string line = "driver 535.161 is too old for CUDA 13: needs 580 or newer";
  World world(World::FakeGpus());
  world.DescribeGpus("driver 535.161\ngpu GPU-1111 40960 NVIDIA A100\n");
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  EXPECT_THAT(world.daemon_log(), HasSubstr("cuda:0 cannot be used: " + line));
  const Finished run = world.Client(RunOn("cuda:0"));
  EXPECT_EQ(run.status, 2) << run.err;
  const json job = world.Json({"show", "1"});
  EXPECT_EQ(job["state"], "FAILED");
  EXPECT_THAT(job["reason"].get<std::string>(), HasSubstr(line));
  const json devices = world.Json({"devices"});
  const auto gpu = std::find_if(devices.begin(), devices.end(),
                                [](const json& device) { return device["name"] == "cuda:0"; });
  ASSERT_NE(gpu, devices.end());
  EXPECT_EQ((*gpu)["state"], "unavailable");
  EXPECT_EQ((*gpu)["detail"], line);
}

// A world whose cuda:0 is wanted otherwise than it is.
class SettledGpuTest : public testing::Test {
 protected:
  static constexpr char kGpu[] =
      "gpu GPU-1111 40960 NVIDIA A100\npower-limit-mw 400000\npower-limits-mw 100000 400000\n"
      "sm-mhz 210\ntemperature 55\n";

  SettledGpuTest() { world_.DescribeGpus(kGpu); }

  // The last value of a setting.
  std::string Last(const std::string& setting) const {
    const std::string start = "set GPU-1111 " + setting + " ";
    std::ifstream stream(world_.folder() / "gpus");
    std::string last;
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with(start)) last = line.substr(start.size());
    }
    return last;
  }
  std::string FirstEvidence() {
    return world_.Json({"show", "1.1"})["assessment"]["evidence"][0]["finding"];
  }

  World world_{World::FakeGpus(World::FakeWorker() +
                               "[[device]]\nname = \"cuda:0\"\nkind = \"cuda\"\n"
                               "lock_clocks = 1410\npower_limit_watts = 300\n"
                               "settle = { below_celsius = 60, at_most_s = 1 }\n")};
};

TEST_F(SettledGpuTest, IsSetForItsRunsAndRestoredWhenTheDaemonStops) {
  ASSERT_TRUE(world_.Start()) << world_.daemon_log();
  EXPECT_EQ(Last("power-limit-mw"), "") << "nobody runs anything";
  EXPECT_EQ(world_.Client(RunOn("cuda:0")).status, 0);
  EXPECT_EQ(Last("power-limit-mw"), "300000");
  EXPECT_EQ(Last("locked-mhz"), "1410");
  EXPECT_EQ(FirstEvidence(), "settled: waited 0 s, 55 C");
  EXPECT_EQ(world_.Json({"show", "1.1"})["environment"]["gpu_locked_clocks"], "1410 MHz");
  EXPECT_EQ(world_.Stop(), 0);
  EXPECT_EQ(Last("power-limit-mw"), "400000");
  EXPECT_EQ(Last("locked-mhz"), "off");
}

TEST_F(SettledGpuTest, WhatAKilledDaemonLeftIsRestoredByTheNextOrByHand) {
  for (const bool by_hand : {false, true}) {
    world_.DescribeGpus(kGpu);
    ASSERT_TRUE(world_.Start()) << world_.daemon_log();
    EXPECT_EQ(world_.Client(RunOn("cuda:0")).status, 0);
    world_.Kill();
    EXPECT_EQ(Last("power-limit-mw"), "300000");
    if (by_hand) {
      const auto restorer = world_.StartDaemon({"--restore-devices"}, world_.variables());
      EXPECT_EQ(restorer->Wait(), 0) << restorer->err();
      EXPECT_THAT(restorer->out(), HasSubstr("restored: GPU-1111 lock_clocks: unlocked\n"
                                             "restored: GPU-1111 power_limit_watts: 400 W\n"));
    } else {
      ASSERT_TRUE(world_.Start()) << world_.daemon_log();
      EXPECT_THAT(world_.daemon_log(), HasSubstr("GPU-1111 power_limit_watts: 400 W"));
      EXPECT_EQ(world_.Stop(), 0);
    }
    EXPECT_EQ(Last("power-limit-mw"), "400000");
    EXPECT_EQ(Last("locked-mhz"), "off");
  }
}

TEST_F(SettledGpuTest, ThatStaysHotIsGivenUpAndTheRunSaysSo) {
  world_.DescribeGpus("gpu GPU-1111 40960 NVIDIA A100\npower-limit-mw 300000\ntemperature 71\n");
  ASSERT_TRUE(world_.Start()) << world_.daemon_log();
  EXPECT_EQ(world_.Client(RunOn("cuda:0")).status, 0);
  EXPECT_EQ(FirstEvidence(), "not-settled: waited 1 s, 71 C, gave up");
}

TEST_F(SettledGpuTest, WithoutTheRightRunsGoOnAndRunAndDoctorSayIt) {
  world_.DescribeGpus(std::string(kGpu) + "set-error 4\n");
  ASSERT_TRUE(world_.Start()) << world_.daemon_log();
  EXPECT_EQ(world_.Client(RunOn("cuda:0")).status, 0);
  EXPECT_EQ(FirstEvidence(), "settings-missing");
  const std::string line = "lock_clocks is not in force: needs root or CAP_SYS_ADMIN";
  EXPECT_THAT(world_.daemon_log(), HasSubstr("cuda:0: " + line));
  EXPECT_THAT(world_.Client({"doctor"}).out, HasSubstr(line));
}

}  // namespace
}  // namespace torchlap::e2e
