// Two daemons: the socket and the database belong to one, a device to one of the host.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;

TEST(SecondDaemonTest, OnTheSameSocketItDoesNotStart) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const auto second = world.StartDaemon({"--state", world.folder() / "other"}, world.variables());
  EXPECT_EQ(second->Wait(), 4);
  EXPECT_EQ(LineCount(second->err()), 1U) << second->err();
  EXPECT_NE(second->err().find(std::to_string(world.daemon_pid())), std::string::npos)
      << second->err();
  EXPECT_EQ(world.Client({"status"}).status, 0);
}

TEST(SecondDaemonTest, OnTheSameDatabaseItDoesNotStart) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const auto second = world.StartDaemon({"--socket", world.folder() / "run" / "other" / "d.sock"},
                                        world.variables());
  EXPECT_EQ(second->Wait(), 4);
  EXPECT_EQ(LineCount(second->err()), 1U) << second->err();
  EXPECT_NE(second->err().find("torchlap.db"), std::string::npos) << second->err();
}

TEST(SecondDaemonTest, OnTheSameDeviceItShowsTheClaimAndTakesTheDeviceWhenItEnds) {
  World first(World::FakeWorker());
  ASSERT_TRUE(first.Start()) << first.daemon_log();
  World second(World::FakeWorker());
  std::map<std::string, std::string> variables = second.variables();
  variables["TORCHLAP_CLAIM_SCOPE"] = first.variables()["TORCHLAP_CLAIM_SCOPE"];
  const auto daemon = second.StartDaemon({}, variables);
  ASSERT_TRUE(Eventually([&] { return second.Client({"status"}).status == 0; })) << daemon->err();

  const json claimed = second.Json({"devices"});
  EXPECT_EQ(claimed[0]["state"], "claimed");
  EXPECT_EQ(claimed[0]["claimed_by_pid"], first.daemon_pid());
  std::vector<std::string> submit = Tiny();
  submit.insert(submit.begin(), "submit");
  ASSERT_EQ(second.Client(submit).status, 0);
  const Finished queue = second.Client({"queue"});
  EXPECT_NE(queue.out.find("claimed by pid " + std::to_string(first.daemon_pid())),
            std::string::npos)
      << queue.out;

  first.Kill();
  EXPECT_EQ(second.Client({"wait", "1"}).status, 0);
  EXPECT_EQ(second.Json({"devices"})[0]["state"], "idle");
}

TEST(SecondDaemonTest, ASocketFileLeftBehindIsReplaced) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  world.Kill();
  ASSERT_TRUE(std::filesystem::exists(world.socket()));
  EXPECT_EQ(world.Client({"status"}).status, 3);
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  EXPECT_EQ(world.Client({"status"}).status, 0);
}

}  // namespace
}  // namespace torchlap::e2e
