// A driver that lists a device, and no CUDA beside it: the real worker says what is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(NvmlWithoutCudaTest, AJobForTheDeviceFailsInOneLineThatSaysWhatIsMissing) {
  if (::access("/dev/nvidiactl", F_OK) == 0) GTEST_SKIP() << "this machine has an NVIDIA driver";
  World world(World::FakeGpus(World::DefaultConfiguration()));
  world.DescribeGpus("driver 580.65.06\ngpu GPU-1111 40960 NVIDIA A100\n");
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> run = Tiny({"--device", "cuda:0"});
  run.insert(run.begin(), "run");
  EXPECT_EQ(world.Client(run).status, 2);
  const json job = world.Json({"show", "1"});
  EXPECT_EQ(job["state"], "FAILED");
  ASSERT_EQ(job["runs"].size(), 1U);
  EXPECT_EQ(job["runs"][0]["outcome"], "CUDA_ERROR");
  const std::string reason = job["reason"];
  EXPECT_THAT(reason, HasSubstr("libcuda.so.1"));
  EXPECT_THAT(reason, Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace torchlap::e2e
