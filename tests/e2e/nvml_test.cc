// Devices of a fake libnvidia-ml, from the driver to `torchlap devices` and the job that wants one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
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

}  // namespace
}  // namespace torchlap::e2e
