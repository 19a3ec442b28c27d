#include "proto/default_paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace torchlap {
namespace {

class DefaultPaths : public testing::Test {
 protected:
  DefaultPaths() {
    setenv("HOME", "/home/ann", 1);
    for (const char* name : {"XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"}) {
      unsetenv(name);
    }
  }
};

TEST_F(DefaultPaths, TheSystemsSocketDependsOnNothing) {
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  EXPECT_EQ(SystemSocketPath(), "/run/torchlap/torchlapd.sock");
}

TEST_F(DefaultPaths, WithoutARuntimeFolderItIsInTmpWithTheUid) {
  const std::string folder = "/tmp/torchlap-" + std::to_string(getuid());
  EXPECT_EQ(UserRuntimeFolder(), folder);
  EXPECT_EQ(UserSocketPath(), folder + "/torchlapd.sock");
}

TEST_F(DefaultPaths, AClientLooksInEveryPlaceOfItsUserOnce) {
  const std::string uid = std::to_string(getuid());
  const std::filesystem::path logins = "/run/user/" + uid + "/torchlap/torchlapd.sock";
  const std::filesystem::path temporary = "/tmp/torchlap-" + uid + "/torchlapd.sock";
  EXPECT_THAT(UserSocketPaths(), testing::ElementsAre(temporary, logins));
  setenv("XDG_RUNTIME_DIR", ("/run/user/" + uid).c_str(), 1);
  EXPECT_THAT(UserSocketPaths(), testing::ElementsAre(logins, temporary));
  setenv("XDG_RUNTIME_DIR", "/elsewhere", 1);
  EXPECT_THAT(UserSocketPaths(),
              testing::ElementsAre("/elsewhere/torchlap/torchlapd.sock", logins, temporary));
}

TEST_F(DefaultPaths, XdgVariablesAreFollowed) {
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  setenv("XDG_STATE_HOME", "/data/state", 1);
  setenv("XDG_CONFIG_HOME", "/data/config", 1);
  EXPECT_EQ(UserSocketPath(), "/run/user/7/torchlap/torchlapd.sock");
  EXPECT_EQ(UserStateFolder(), "/data/state/torchlap");
  EXPECT_EQ(UserConfigFile(), "/data/config/torchlap/torchlapd.toml");
}

TEST_F(DefaultPaths, WithoutXdgVariablesFoldersLieInTheHome) {
  EXPECT_EQ(UserStateFolder(), "/home/ann/.local/state/torchlap");
  EXPECT_EQ(UserConfigFile(), "/home/ann/.config/torchlap/torchlapd.toml");
}

TEST_F(DefaultPaths, AnEmptyOrRelativeVariableCountsAsUnset) {
  setenv("XDG_STATE_HOME", "", 1);
  setenv("XDG_CONFIG_HOME", "somewhere", 1);
  EXPECT_EQ(UserStateFolder(), "/home/ann/.local/state/torchlap");
  EXPECT_EQ(UserConfigFile(), "/home/ann/.config/torchlap/torchlapd.toml");
}

TEST_F(DefaultPaths, WithoutAHomeVariableTheAccountsHomeIsUsed) {
  unsetenv("HOME");
  EXPECT_TRUE(UserStateFolder().is_absolute());
  EXPECT_EQ(UserStateFolder().filename(), "torchlap");
}

}  // namespace
}  // namespace torchlap
