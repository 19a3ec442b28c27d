#include "server/host/state_folders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

// What an account without a home folder can do.
constexpr char kAnotherOne[] = "; torchlapd --state DIR takes another one";

mode_t ModeOf(const std::filesystem::path& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

class StateFolders : public testing::Test {
 protected:
  // Whatever the umask: the modes must come out as written.
  StateFolders() : umask_(umask(0077)) {}
  ~StateFolders() override { umask(umask_); }

  std::filesystem::path Made(const std::string& name, mode_t mode) const {
    const std::filesystem::path folder = temporary_.path() / name;
    EXPECT_EQ(mkdir(folder.c_str(), 0700), 0);
    EXPECT_EQ(chmod(folder.c_str(), mode), 0);
    return folder;
  }

  TemporaryFolder temporary_;
  const mode_t umask_;
};

TEST_F(StateFolders, TheUsersRuntimeFolderIsMadeForTheUserAlone) {
  const auto folder = temporary_.path() / "a/b/torchlap";
  ASSERT_TRUE(MakeRuntimeFolder(folder, RuntimeAccess::kOwnerOnly).ok());
  EXPECT_EQ(ModeOf(folder), 0700U);
  EXPECT_EQ(ModeOf(folder.parent_path()), 0700U);
  EXPECT_TRUE(MakeRuntimeFolder(folder, RuntimeAccess::kOwnerOnly).ok()) << "a second time";
}

TEST_F(StateFolders, TheSystemsRuntimeFolderCanBeEnteredByEveryone) {
  const auto folder = temporary_.path() / "torchlap";
  ASSERT_TRUE(MakeRuntimeFolder(folder, RuntimeAccess::kEveryone).ok());
  EXPECT_EQ(ModeOf(folder), 0755U);
}

TEST_F(StateFolders, ARuntimeFolderThatIsOpenToOthersIsRefused) {
  for (const mode_t mode : {0750U, 0701U, 0777U, 01777U}) {
    const auto folder = Made("mode" + std::to_string(mode), mode);
    const absl::Status status = MakeRuntimeFolder(folder, RuntimeAccess::kOwnerOnly);
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << mode;
    EXPECT_NE(status.message().find("must be 0700 or stricter"), absl::string_view::npos)
        << status.message();
    EXPECT_EQ(ModeOf(folder), mode) << "left as it was";
  }
  EXPECT_EQ(MakeRuntimeFolder(Made("everyone", 0775), RuntimeAccess::kEveryone).code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(StateFolders, ALinkIsNoRuntimeFolder) {
  const auto target = Made("target", 0700);
  const auto link = temporary_.path() / "link";
  std::filesystem::create_directory_symlink(target, link);
  const absl::Status status = MakeRuntimeFolder(link, RuntimeAccess::kOwnerOnly);
  EXPECT_EQ(status.message(), "folder " + link.string() + " is a link, must be a folder");
  EXPECT_TRUE(MakeStateFolder(link).ok()) << "state may lie on another disk";
}

TEST_F(StateFolders, AFifoIsNoFolder) {
  const auto fifo = temporary_.path() / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(MakeStateFolder(fifo).message(),
            "folder " + fifo.string() + " is not a folder" + kAnotherOne);
}

TEST_F(StateFolders, ALinkOfAnotherUserLeadsNowhere) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a link away";
  const auto target = Made("target", 0700);
  const auto link = temporary_.path() / "planted";
  std::filesystem::create_directory_symlink(target, link);
  ASSERT_EQ(lchown(link.c_str(), 12345, 12345), 0);
  EXPECT_EQ(MakeStateFolder(link).message(),
            "folder " + link.string() +
                " is a link of uid 12345, must be one of uid 0 or a folder" + kAnotherOne);
  EXPECT_EQ(MakeStateFolder(link / "below").message(),
            "folder " + (link / "below").string() + " is reached by the link " + link.string() +
                " of uid 12345, must be one of uid 0 or a folder" + kAnotherOne);
  EXPECT_FALSE(std::filesystem::exists(target / "below"));
}

TEST_F(StateFolders, AnothersFolderIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  const auto folder = Made("given", 0700);
  ASSERT_EQ(chown(folder.c_str(), 12345, 12345), 0);
  const std::string wanted =
      "folder " + folder.string() + " belongs to uid 12345, must belong to uid 0";
  EXPECT_EQ(MakeRuntimeFolder(folder, RuntimeAccess::kOwnerOnly).message(), wanted);
  EXPECT_EQ(MakeStateFolder(folder).message(), wanted + kAnotherOne);
}

TEST_F(StateFolders, AFileInTheWayIsRefused) {
  const auto file = temporary_.Write("file", "");
  EXPECT_EQ(MakeRuntimeFolder(file, RuntimeAccess::kOwnerOnly).message(),
            "folder " + file.string() + " is not a folder");
  EXPECT_EQ(
      MakeStateFolder(file / "below").message(),
      "folder " + (file / "below").string() + " cannot be made: Not a directory" + kAnotherOne);
}

TEST_F(StateFolders, TheStateFolderIsMadePrivateAndOneThatOthersMayReadIsKept) {
  const auto folder = temporary_.path() / "state/torchlap";
  ASSERT_TRUE(MakeStateFolder(folder).ok());
  EXPECT_EQ(ModeOf(folder), 0700U);
  const auto readable = Made("readable", 0755);
  EXPECT_TRUE(MakeStateFolder(readable).ok());
  EXPECT_EQ(ModeOf(readable), 0755U);
  EXPECT_EQ(MakeStateFolder(Made("writable", 0777)).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(StateFolders, AFolderIsClosedToOthersByItsMode) {
  for (const mode_t mode : {0700U, 0750U, 0770U}) {
    EXPECT_TRUE(CheckClosedToOthers(Made("closed" + std::to_string(mode), mode)).ok()) << mode;
  }
  for (const mode_t mode : {0701U, 0704U, 0755U, 0777U}) {
    const absl::Status status = CheckClosedToOthers(Made("open" + std::to_string(mode), mode));
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << mode;
    EXPECT_NE(status.message().find("must be 0770 or stricter"), absl::string_view::npos) << status;
  }
  EXPECT_FALSE(CheckClosedToOthers(temporary_.path() / "missing").ok());
}

TEST_F(StateFolders, AStateFolderThatCannotBeWrittenIsRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
  const auto folder = Made("readonly", 0500);
  EXPECT_EQ(MakeStateFolder(folder).message(),
            "folder " + folder.string() + " cannot be written: Permission denied" + kAnotherOne);
  EXPECT_EQ(MakeStateFolder(folder / "below").code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(StateFolders, ATrailingSlashDoesNotMatter) {
  const auto folder = temporary_.path() / "slash";
  EXPECT_TRUE(MakeRuntimeFolder(folder.string() + "/", RuntimeAccess::kOwnerOnly).ok());
  EXPECT_EQ(ModeOf(folder), 0700U);
}

}  // namespace
}  // namespace torchlap::host
