// The folder of the socket goes away, as at a logout, and clients that come another way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using testing::HasSubstr;

TEST(LostSocketTest, TheDaemonMakesItAgainAndGoesOn) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::filesystem::remove_all(world.socket().parent_path());
  EXPECT_EQ(world.Client({"status"}).status, 3);
  ASSERT_TRUE(Eventually([&] { return world.Client({"status"}).status == 0; }))
      << world.daemon_log();
  std::vector<std::string> run = Tiny();
  run.insert(run.begin(), "run");
  EXPECT_EQ(world.Client(run).status, 0);
  EXPECT_EQ(world.Stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(world.socket()));
  EXPECT_FALSE(std::filesystem::exists(world.state_folder() / "torchlapd.address"));
}

TEST(LostSocketTest, WhileItIsGoneNobodyIsToldToStartASecondOne) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  auto variables = world.variables();
  variables.erase("TORCHLAP_ADDRESS");
  std::filesystem::remove_all(world.socket().parent_path());
  const Finished status = world.Client({"status"}, variables);
  EXPECT_EQ(status.status, 3);
  EXPECT_THAT(status.err, HasSubstr("torchlapd runs (pid " + std::to_string(world.daemon_pid()) +
                                    ") and makes its socket again within 10 s"));
  EXPECT_EQ(LineCount(status.err), 1U) << status.err;
}

TEST(LostSocketTest, AClientWithoutTheVariableFindsADaemonThatHadIt) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  auto variables = world.variables();
  variables.erase("TORCHLAP_ADDRESS");
  variables.erase("XDG_RUNTIME_DIR");
  EXPECT_EQ(world.Client({"status"}, variables).status, 0);
  // A file that a dead daemon left in a likelier place is passed over.
  variables["XDG_RUNTIME_DIR"] = world.folder() / "other";
  const std::filesystem::path other = world.folder() / "other" / "torchlap";
  std::filesystem::create_directories(other);
  ::chmod(other.c_str(), 0700);
  World dead(World::FakeWorker());
  ASSERT_TRUE(dead.Start()) << dead.daemon_log();
  dead.Kill();
  std::filesystem::rename(dead.socket(), other / "torchlapd.sock");
  EXPECT_EQ(world.Client({"status"}, variables).status, 0);
}

TEST(LostSocketTest, ASecondDaemonOnTheDatabaseNamesPidAndAddressOfTheFirst) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const auto second = world.StartDaemon({"--socket", world.folder() / "run" / "other" / "d.sock"},
                                        world.variables());
  EXPECT_EQ(second->Wait(), 4);
  EXPECT_EQ(LineCount(second->err()), 1U) << second->err();
  EXPECT_THAT(second->err(), HasSubstr("pid " + std::to_string(world.daemon_pid())));
  EXPECT_THAT(second->err(), HasSubstr("it answers at unix:" + world.socket().string()));
}

}  // namespace
}  // namespace torchlap::e2e
