// `torchlap doctor` against a daemon whose GPUs are those of a fake libnvidia-ml.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// The findings with this code.
std::vector<json> With(const json& findings, const std::string& code) {
  std::vector<json> found;
  for (const json& finding : findings) {
    if (finding["code"] == code) found.push_back(finding);
  }
  return found;
}

TEST(DoctorTest, WithoutAnNvidiaDriverSaysSoAndNothingIsWrongWithIt) {
  World world(World::FakeWorker("nvml_library = \"libtorchlap-no-such-library.so.1\"\n"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const json findings = world.Json({"doctor"});
  EXPECT_EQ(findings[0]["code"], "daemon");
  const auto driver = With(findings, "driver-absent");
  ASSERT_EQ(driver.size(), 1U) << findings;
  EXPECT_EQ(driver[0]["severity"], "note");
  const auto devices = With(findings, "device");
  ASSERT_EQ(devices.size(), 1U) << findings;
  EXPECT_EQ(devices[0]["device"], "cpu0");
}

TEST(DoctorTest, ShowsAGpuItsTemperatureAndWhoIsOnIt) {
  World world(World::FakeGpus());
  world.DescribeGpus(
      "driver 580.65.06\ngpu GPU-1111 40960 NVIDIA A100-SXM4-40GB\ntemperature 41\n"
      "slowdown-at 92\nprocess 1 11468 compute\n");
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished doctor = world.Client({"doctor"});
  // 2 where others keep this machine busy.
  EXPECT_THAT(doctor.status, testing::AnyOf(0, 2)) << doctor.err;
  EXPECT_THAT(doctor.out, HasSubstr("ok       machine  NVIDIA driver 580.65.06\n"));
  EXPECT_THAT(doctor.out, HasSubstr("ok       cuda:0   NVIDIA A100-SXM4-40GB, 40.0 GiB\n"));
  EXPECT_THAT(doctor.out, HasSubstr("ok       cuda:0   41 degrees Celsius, slows down at 92\n"));
  EXPECT_THAT(doctor.out, HasSubstr("note     cuda:0   also used by pid 1"));
}

TEST(DoctorTest, SaysWhichDriverIsNeeded) {
  World world(World::FakeGpus());
  world.DescribeGpus("driver 535.161\ngpu GPU-1111 40960 NVIDIA A100\n");
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const Finished doctor = world.Client({"doctor"});
  EXPECT_EQ(doctor.status, 2) << doctor.err;
  EXPECT_THAT(
      doctor.out,
      HasSubstr(
          "problem  machine  NVIDIA driver 535.161 is too old for CUDA 13: needs 580 or newer\n"
          "                  do: install NVIDIA driver 580 or newer"));
}

TEST(DoctorTest, NamesADriverThatDoesNotMatchAndAGpuThatIsLost) {
  World world(World::FakeGpus());
  world.DescribeGpus("init-error 18\n");
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  EXPECT_EQ(With(world.Json({"doctor"}), "driver-mismatch").size(), 1U);
  ASSERT_EQ(world.Stop(), 0);
  world.DescribeGpus("gpu GPU-1111 40960 A\nbroken 15\n");
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const auto lost = With(world.Json({"doctor"}), "device-lost");
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0]["device"], "cuda:1");
}

TEST(DoctorTest, WithoutADaemonExitsWith3AndSaysHowToStartOne) {
  World world;
  const Finished doctor = world.Client({"doctor"});
  EXPECT_EQ(doctor.status, 3);
  EXPECT_THAT(doctor.out, HasSubstr("no daemon at unix:"));
  EXPECT_THAT(doctor.out, HasSubstr("do: start one with: torchlapd\n"));
}

}  // namespace
}  // namespace torchlap::e2e
