#include "server/daemon/lock_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "tests/server/host/child_process.h"
#include "tests/server/host/temporary_folder.h"

namespace torchlap::daemon {
namespace {

class LockFileTest : public testing::Test {
 protected:
  std::filesystem::path Guarded() const { return folder_.path() / "torchlap.db"; }
  absl::StatusOr<LockFile> Acquire() const { return LockFile::Acquire(Guarded(), "database"); }

  host::TemporaryFolder folder_;
};

TEST_F(LockFileTest, ASecondOneIsRefusedWithTheHoldersPid) {
  const auto first = Acquire();
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Acquire();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(second.status().message(), "another torchlapd, pid " + std::to_string(getpid()) +
                                           ", has the database " + Guarded().string() + " (" +
                                           Guarded().string() + ".lock is locked)");
}

TEST_F(LockFileTest, ItIsFreeAgainWhenItsHolderLetsGo) {
  auto first = std::make_unique<absl::StatusOr<LockFile>>(Acquire());
  ASSERT_TRUE(first->ok());
  first.reset();
  EXPECT_TRUE(Acquire().ok());
}

TEST_F(LockFileTest, AMovedLockIsStillHeld) {
  auto first = Acquire();
  ASSERT_TRUE(first.ok());
  const LockFile moved = std::move(*first);
  EXPECT_FALSE(Acquire().ok());
}

TEST_F(LockFileTest, ALockWhoseFileWasDeletedOrReplacedIsNotInPlace) {
  const auto first = Acquire();
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first->IsInPlace());
  std::filesystem::remove(Guarded().string() + ".lock");
  EXPECT_FALSE(first->IsInPlace());
  const auto second = Acquire();
  ASSERT_TRUE(second.ok()) << "of another file";
  EXPECT_FALSE(first->IsInPlace());
  EXPECT_TRUE(second->IsInPlace());
}

TEST_F(LockFileTest, TheKernelFreesItWhenTheHolderIsKilled) {
  host::ChildProcess child([&] {
    static const auto held = Acquire();
    return held.ok();
  });
  ASSERT_TRUE(child.acted());
  const auto refused = Acquire();
  EXPECT_NE(refused.status().message().find("pid " + std::to_string(child.pid()) + ","),
            absl::string_view::npos)
      << refused.status();
  child.Kill();
  EXPECT_TRUE(Acquire().ok());
}

TEST_F(LockFileTest, TheFileIsPrivateAndIsNotInherited) {
  const auto lock = Acquire();
  ASSERT_TRUE(lock.ok());
  struct stat info {};
  ASSERT_EQ(stat((Guarded().string() + ".lock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry, gone);
    if (target.filename() != "torchlap.db.lock") continue;
    EXPECT_NE(fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_F(LockFileTest, WhatIsNoFileOfThisUsersIsRefusedAndLeftAsItIs) {
  const std::string file = Guarded().string() + ".lock";
  const std::string target = folder_.Write("target", "precious");
  std::filesystem::create_symlink(target, file);
  EXPECT_EQ(Acquire().status().message(),
            "lock file " + file + " is a link, must be a regular file");
  EXPECT_EQ(std::filesystem::file_size(target), 8U);
  std::filesystem::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(Acquire().status().message(),
            "lock file " + file + " is a FIFO, must be a regular file");
}

TEST_F(LockFileTest, AFolderThatIsNotThereIsSaid) {
  const auto lock = LockFile::Acquire(folder_.path() / "none/torchlap.db", "database");
  EXPECT_EQ(lock.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(lock.status().message(), "lock file " + (folder_.path() / "none").string() +
                                         "/torchlap.db.lock cannot be made: No such file or "
                                         "directory");
}

TEST_F(LockFileTest, AFolderThatCannotBeWrittenIsSaid) {
  if (geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
  chmod(folder_.path().c_str(), 0500);
  EXPECT_EQ(Acquire().status().code(), absl::StatusCode::kPermissionDenied);
  chmod(folder_.path().c_str(), 0700);
}

}  // namespace
}  // namespace torchlap::daemon
