// SIGTERM: running workers are ended, their jobs queued again, and the daemon goes in good order.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

constexpr char kSecondDevice[] =
    "\n[[device]]\nname = \"cpu1\"\nkind = \"cpu\"\ncores = \"1\"\nmemory = \"1GiB\"\n";

TEST(StopTest, ADaemonWithABusyAndAnIdleDeviceStopsInGoodOrder) {
  if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "two devices need two cores";
  World world(World::FakeWorker() + kSecondDevice);
  world.TellFakeWorker({{"runs", {{"*", {{"at_step", 2}, {"do", "hang"}}}}}});
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> submit = Tiny({"--device", "cpu1"});
  submit.insert(submit.begin(), "submit");
  ASSERT_EQ(world.Client(submit).status, 0);
  ASSERT_TRUE(Eventually([&] { return !World::Children(world.daemon_pid()).empty(); }));
  const std::vector<pid_t> workers = World::Children(world.daemon_pid());
  EXPECT_EQ(world.Stop(), 0) << world.daemon_log();
  for (const pid_t worker : workers) EXPECT_NE(::kill(worker, 0), 0);
  EXPECT_EQ(world.Query("SELECT outcome FROM runs"), std::vector<std::string>{"INTERRUPTED"});
  EXPECT_EQ(world.Query("SELECT state FROM job"), std::vector<std::string>{"1"});  // QUEUED
}

}  // namespace
}  // namespace torchlap::e2e
