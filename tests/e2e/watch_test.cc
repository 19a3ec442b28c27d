// Following jobs: Ctrl-C, waiting, a daemon that goes away meanwhile.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;

std::vector<std::string> Command(const std::string& name) {
  std::vector<std::string> arguments = Tiny();
  arguments.insert(arguments.begin(), name);
  return arguments;
}

// A world whose runs wait at step 2 until Go().
class WatchTest : public testing::Test {
 protected:
  WatchTest() : world_(World::FakeWorker()) {
    world_.TellFakeWorker(
        {{"runs",
          {{"*", {{"at_step", 2}, {"do", "wait"}, {"file", (world_.folder() / "go").string()}}}}}});
  }
  void SetUp() override { ASSERT_TRUE(world_.Start()) << world_.daemon_log(); }
  bool AwaitRunning() {
    return Eventually([this] { return !World::Children(world_.daemon_pid()).empty(); });
  }
  void Go() { std::ofstream(world_.folder() / "go") << "go"; }

  World world_;
};

TEST_F(WatchTest, TheFirstInterruptDetachesAndTheJobGoesOn) {
  const auto run = world_.StartClient(Command("run"));
  ASSERT_TRUE(AwaitRunning());
  run->Signal(SIGINT);
  EXPECT_EQ(run->Wait(), 130);
  EXPECT_NE(run->err().find("torchlap watch"), std::string::npos) << run->err();
  EXPECT_NE(run->err().find("torchlap cancel"), std::string::npos) << run->err();
  Go();
  EXPECT_EQ(world_.Client({"wait", "1"}).status, 0);
}

TEST_F(WatchTest, WaitTimesOutWith124) {
  ASSERT_EQ(world_.Client(Command("submit")).status, 0);
  EXPECT_EQ(world_.Client({"wait", "1", "--timeout", "100ms"}).status, 124);
  Go();
  EXPECT_EQ(world_.Client({"wait", "1"}).status, 0);
}

TEST_F(WatchTest, RunFollowsItsJobAcrossARestartOfTheDaemon) {
  const auto run = world_.StartClient(Command("run"));
  ASSERT_TRUE(AwaitRunning());
  world_.Kill();
  Go();
  ASSERT_TRUE(world_.Start()) << world_.daemon_log();
  EXPECT_EQ(run->Wait(), 0) << run->err();
  EXPECT_NE(run->out().find("| "), std::string::npos) << run->out();
}

TEST_F(WatchTest, TheQueueSaysWhyEachJobWaits) {
  ASSERT_EQ(world_.Client(Command("submit")).status, 0);
  ASSERT_TRUE(AwaitRunning());
  ASSERT_EQ(world_.Client(Command("submit")).status, 0);
  ASSERT_EQ(world_.Client(Command("submit")).status, 0);
  const Finished queue = world_.Client({"queue"});
  EXPECT_NE(queue.out.find("1.1"), std::string::npos) << queue.out;
  EXPECT_NE(queue.out.find("behind 1 job"), std::string::npos) << queue.out;
  Go();
  EXPECT_EQ(world_.Client({"wait", "3"}).status, 0);
  EXPECT_EQ(world_.Json({"queue"}), json::array());
}

}  // namespace
}  // namespace torchlap::e2e
