// kill -9 of the daemon loses no accepted job and no finished run, leaves no worker, counts no run
// twice.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;

bool AnyRunning(const World& world) { return !World::Children(world.daemon_pid()).empty(); }

bool Gone(const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) {
    if (::kill(pid, 0) == 0) return false;
  }
  return true;
}

std::vector<std::string> Sweep(int cells) {
  std::vector<std::string> arguments = Tiny();
  arguments.insert(arguments.begin(), "submit");
  arguments.emplace_back("--measure-steps");
  for (int i = 1; i <= cells; ++i) arguments.push_back(std::to_string(i));
  return arguments;
}

TEST(CrashRecoveryTest, AnInterruptedJobIsRunAgain) {
  World world(World::FakeWorker());
  const std::string go = world.folder() / "go";
  world.TellFakeWorker({{"runs", {{"*", {{"at_step", 2}, {"do", "wait"}, {"file", go}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Sweep(1)).status, 0);
  ASSERT_TRUE(Eventually([&] { return AnyRunning(world); }));
  const std::vector<pid_t> workers = World::Children(world.daemon_pid());
  world.Kill();
  EXPECT_TRUE(Eventually([&] { return Gone(workers); }));
  std::ofstream(go) << "go";
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client({"wait", "1"}).status, 0);
  const json job = world.Json({"show", "1"});
  ASSERT_EQ(job["runs"].size(), 2U);
  EXPECT_EQ(job["runs"][0]["outcome"], "INTERRUPTED");
  EXPECT_EQ(job["runs"][1]["outcome"], "OK");
  EXPECT_EQ(job["runs"][1]["cause"], "interruption");
}

TEST(CrashRecoveryTest, ACleanStopDoesNotCountAsAnInterruption) {
  World world(World::FakeWorker("max_interruptions = 1\n"));
  const std::string go = world.folder() / "go";
  world.TellFakeWorker({{"runs", {{"*", {{"at_step", 2}, {"do", "wait"}, {"file", go}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Sweep(1)).status, 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Eventually([&] { return AnyRunning(world); }));
    EXPECT_EQ(world.Stop(), 0);
    EXPECT_EQ(world.Query("SELECT state FROM job"), std::vector<std::string>{"1"});
    ASSERT_TRUE(world.Start()) << world.daemon_log();
  }
  EXPECT_TRUE(Eventually([&] { return world.Json({"queue"})[0]["tries"] == 3; }));
  EXPECT_NE(world.Client({"queue"}).out.find("(3rd try)"), std::string::npos);
  std::ofstream(go) << "go";
  EXPECT_EQ(world.Client({"wait", "1"}).status, 0);
  EXPECT_EQ(world.Json({"show", "1"})["runs"].size(), 3U);
}

TEST(CrashRecoveryTest, AJobThatTakesTheDaemonDownTooOftenFails) {
  World world(World::FakeWorker("max_interruptions = 2\n"));
  world.TellFakeWorker({{"runs", {{"*", {{"at_step", 2}, {"do", "hang"}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(world.Client(Sweep(1)).status, 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Eventually([&] { return AnyRunning(world); }));
    world.Kill();
    ASSERT_TRUE(world.Start()) << world.daemon_log();
  }
  const json job = world.Json({"show", "1"});
  EXPECT_EQ(job["state"], "FAILED");
  EXPECT_EQ(job["runs"].size(), 2U);
}

// cpu0 on core 0 is no more: cpu1 is on core 1.
std::string OtherCore() {
  std::string configuration = World::FakeWorker();
  configuration.replace(configuration.find("cpu0"), 4, "cpu1");
  configuration.replace(configuration.find("cores = \"0\""), 11, "cores = \"1\"");
  return configuration;
}

bool HasTwoCores() { return std::thread::hardware_concurrency() >= 2; }

TEST(CrashRecoveryTest, LaunchesOfADeviceThatIsGoneGoOnOnAnotherOfTheirClass) {
  if (!HasTwoCores()) GTEST_SKIP() << "needs two cores";
  World world(World::FakeWorker());
  const std::string go = world.folder() / "go";
  world.TellFakeWorker({{"runs", {{"1.2", {{"at_step", 1}, {"do", "wait"}, {"file", go}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> submit = Tiny({"--launches", "3", "--device", "cpu"});
  submit.insert(submit.begin(), "submit");
  ASSERT_EQ(world.Client(submit).status, 0);
  // The first launch has pinned the others to cpu0.
  ASSERT_TRUE(Eventually([&] { return world.Json({"show", "1"})["runs"].size() == 2; }));
  ASSERT_EQ(world.Stop(), 0);
  world.Configure(OtherCore());
  std::ofstream(go) << "go";
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  EXPECT_EQ(world.Client({"wait", "1", "--timeout", "60s"}).status, 0);
  const json job = world.Json({"show", "1"});
  EXPECT_EQ(job["state"], "SUCCEEDED");
  ASSERT_EQ(job["runs"].size(), 4U);  // the second launch was interrupted by the stop
  EXPECT_EQ(job["runs"][0]["device"], "cpu0");
  EXPECT_EQ(job["runs"][3]["device"], "cpu1");
}

TEST(CrashRecoveryTest, AJobForADeviceThatIsGoneFailsWithThatReason) {
  if (!HasTwoCores()) GTEST_SKIP() << "needs two cores";
  World world(World::FakeWorker());
  world.TellFakeWorker({{"runs", {{"*", {{"at_step", 1}, {"do", "hang"}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> submit = Tiny({"--device", "cpu0"});
  submit.insert(submit.begin(), "submit");
  ASSERT_EQ(world.Client(submit).status, 0);
  ASSERT_EQ(world.Client(submit).status, 0);
  ASSERT_TRUE(Eventually([&] { return AnyRunning(world); }));
  ASSERT_EQ(world.Stop(), 0);
  world.Configure(OtherCore());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  for (const std::string id : {"1", "2"}) {
    const json job = world.Json({"show", id});
    EXPECT_EQ(job["state"], "FAILED") << id;
    EXPECT_NE(job["reason"].get<std::string>().find("cpu0"), std::string::npos) << job["reason"];
  }
}

}  // namespace
}  // namespace torchlap::e2e
