#include "server/host/own_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

namespace fs = std::filesystem;

class OwnFileTest : public testing::Test {
 protected:
  // What stands in the way, and what is said of it.
  struct Planted {
    std::string name;
    std::function<void(const fs::path&)> plant;
    std::string words;
  };

  std::vector<Planted> AllKinds() {
    const fs::path target = folder_.Write("target", "precious");
    return {
        {"link", [=](const fs::path& at) { fs::create_symlink(target, at); }, "is a link"},
        {"dangling", [](const fs::path& at) { fs::create_symlink("/no/such", at); }, "is a link"},
        {"fifo", [](const fs::path& at) { ::mkfifo(at.c_str(), 0600); }, "is a FIFO"},
        {"folder", [](const fs::path& at) { fs::create_directory(at); }, "is a folder"},
        {"socket", [](const fs::path& at) { Bind(at); }, "is a socket"},
    };
  }

  static void Bind(const fs::path& at) {
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    ASSERT_LT(at.native().size(), sizeof name.sun_path);
    std::strncpy(name.sun_path, at.c_str(), sizeof name.sun_path - 1);
    const FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  }

  TemporaryFolder folder_;
};

constexpr int kWrite = O_WRONLY | O_CREAT;

TEST_F(OwnFileTest, WhatIsNoRegularFileIsRefusedInOneLineAndNothingIsWritten) {
  for (const Planted& each : AllKinds()) {
    const fs::path at = folder_.path() / each.name;
    each.plant(at);
    const std::string wanted = "log " + at.string() + " " + each.words + ", must be a regular file";
    const absl::Status checked = CheckOwnFile(at, "log");
    EXPECT_EQ(checked.code(), absl::StatusCode::kPermissionDenied) << each.name;
    EXPECT_EQ(checked.message(), wanted);
    // Without waiting for who reads the FIFO.
    for (const int flags : {kWrite | O_APPEND, kWrite | O_TRUNC, O_RDWR | O_CREAT}) {
      EXPECT_EQ(OpenOwnFile(at, flags, "log").status().message(), wanted);
    }
  }
  EXPECT_EQ(fs::file_size(folder_.path() / "target"), 8U);
}

TEST_F(OwnFileTest, AFileThatIsNotThereIsMadeForTheUserAlone) {
  const fs::path file = folder_.path() / "new";
  EXPECT_TRUE(CheckOwnFile(file, "log").ok());
  const auto opened = OpenOwnFile(file, kWrite | O_APPEND, "log");
  ASSERT_TRUE(opened.ok()) << opened.status();
  struct stat info = {};
  ASSERT_EQ(::fstat(opened->get(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_NE(::fcntl(opened->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(OwnFileTest, AFileOfOnesOwnIsAppendedToOrEmptied) {
  const fs::path file = folder_.Write("own", "before");
  ::chmod(file.c_str(), 0644);
  {
    const auto opened = OpenOwnFile(file, kWrite | O_APPEND, "log");
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(::write(opened->get(), "+", 1), 1);
  }
  EXPECT_EQ(fs::file_size(file), 7U);
  EXPECT_TRUE(OpenOwnFile(file, kWrite | O_TRUNC, "log").ok());
  EXPECT_EQ(fs::file_size(file), 0U);
}

TEST_F(OwnFileTest, OneThatOthersMayWriteIsRefused) {
  const fs::path file = folder_.Write("shared", "");
  for (const auto& [mode, stricter] : {std::pair("0666", "0644"), std::pair("0620", "0600")}) {
    ::chmod(file.c_str(), static_cast<mode_t>(std::stoi(mode, nullptr, 8)));
    EXPECT_EQ(CheckOwnFile(file, "database file").message(),
              "database file " + file.string() + " has mode " + mode + ", must be " + stricter +
                  " or stricter");
  }
}

TEST_F(OwnFileTest, AnothersIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const fs::path file = folder_.Write("given", "");
  ASSERT_EQ(::chown(file.c_str(), 12345, 12345), 0);
  EXPECT_EQ(CheckOwnFile(file, "note").message(),
            "note " + file.string() + " belongs to uid 12345, must belong to uid 0");
  const fs::path socket = folder_.path() / "s";
  Bind(socket);
  ASSERT_EQ(::chown(socket.c_str(), 12345, 12345), 0);
  EXPECT_EQ(CheckOwnSocket(socket).message(),
            "socket " + socket.string() + " belongs to uid 12345, must belong to uid 0");
}

TEST_F(OwnFileTest, AFolderThatIsNotThereIsSaid) {
  const fs::path file = folder_.path() / "none" / "log";
  const auto opened = OpenOwnFile(file, kWrite, "log");
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(opened.status().message(),
            "log " + file.string() + " cannot be made: No such file or directory");
}

TEST_F(OwnFileTest, ASocketReplacesNothingButASocket) {
  EXPECT_TRUE(CheckOwnSocket(folder_.path() / "none").ok());
  for (const Planted& each : AllKinds()) {
    const fs::path at = folder_.path() / each.name;
    each.plant(at);
    const absl::Status status = CheckOwnSocket(at);
    if (each.name == "socket") {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_EQ(status.message(),
                "socket " + at.string() + " " + each.words + ", must be a socket or not there");
    }
  }
  const fs::path thesis = folder_.Write("thesis", "");
  EXPECT_EQ(CheckOwnSocket(thesis).message(),
            "socket " + thesis.string() + " is a regular file, must be a socket or not there");
}

}  // namespace
}  // namespace torchlap::host
