// The pages for man(1), which the build writes beside the programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string BuiltPage(const std::string& name) {
  std::ifstream stream(std::filesystem::path(TORCHLAP_BIN_DIR).parent_path() / "share" / "man" /
                       "man1" / name);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(ManualTest, OfTheClientIsWhatTheBuildHasWritten) {
  World world(World::FakeWorker());
  const Finished client = world.Client({"help", "--man"});
  EXPECT_EQ(client.status, 0) << client.err;
  EXPECT_THAT(client.out, HasSubstr(".SS \"compare\"\n"));
  EXPECT_EQ(BuiltPage("torchlap.1"), client.out);
}

TEST(ManualTest, OfTheDaemonHasEveryFlagThatItsHelpHas) {
  World world(World::FakeWorker());
  const auto daemon = world.StartDaemon({"--man"}, world.variables());
  ASSERT_EQ(daemon->Wait(), 0) << daemon->err();
  const auto help = world.StartDaemon({"--help"}, world.variables());
  ASSERT_EQ(help->Wait(), 0) << help->err();
  for (const char* flag : {"help", "version", "config", "system", "socket", "state", "torch",
                           "worker", "detach", "check", "repair"}) {
    EXPECT_THAT(help->out(), HasSubstr(std::string("--") + flag));
    EXPECT_THAT(daemon->out(), HasSubstr(std::string("\\fB\\-\\-") + flag + "\\fR")) << flag;
  }
  EXPECT_THAT(help->out(), HasSubstr("--restore-devices"));
  EXPECT_THAT(daemon->out(), HasSubstr("\\fB\\-\\-restore\\-devices\\fR"));
  EXPECT_THAT(help->out(), Not(HasSubstr("--man")));
  EXPECT_EQ(BuiltPage("torchlapd.1"), daemon->out());
}

}  // namespace
}  // namespace torchlap::e2e
