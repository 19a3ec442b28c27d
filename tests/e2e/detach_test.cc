// How a daemon is started and left alone: in the background, under nohup, without descriptors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using testing::HasSubstr;

// Ends a daemon that is nobody's child.
class Guard {
 public:
  explicit Guard(World* world) : world_(world) {}
  ~Guard() { Stop(); }
  pid_t pid() {
    if (pid_ == 0) pid_ = world_->Json({"status"})["pid"];
    return pid_;
  }
  // False: it is still there.
  bool Stop() {
    if (pid_ == 0) return true;
    ::kill(pid_, SIGTERM);
    return Eventually([this] { return ::kill(pid_, 0) != 0; });
  }

 private:
  World* const world_;
  pid_t pid_ = 0;
};

std::string Slurp(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(CommandLineTest, ItSaysWhoseErrorOfUseItIs) {
  World world(World::FakeWorker());
  const auto start = world.StartDaemon({"--check", "runs.db"}, world.variables());
  EXPECT_EQ(start->Wait(), 1);
  EXPECT_EQ(start->err().rfind("torchlapd: ", 0), 0U) << start->err();
  EXPECT_NE(start->err().find("runs.db"), std::string::npos);
  EXPECT_NE(start->err().find("; see torchlapd --help\n"), std::string::npos);
}

TEST(DetachTest, ItReturnsWhenTheDaemonAnswersInASessionOfItsOwn) {
  World world(World::FakeWorker());
  const auto start = world.StartDaemon({"--detach"}, world.variables());
  ASSERT_EQ(start->Wait(), 0) << start->err();
  // At once.
  ASSERT_EQ(world.Client({"status"}).status, 0);
  Guard guard(&world);
  const pid_t pid = guard.pid();
  const std::filesystem::path log = world.state_folder() / "torchlapd.log";
  EXPECT_EQ(start->out(), "torchlapd runs as process " + std::to_string(pid) + "; its log is " +
                              log.string() + "\n");
  EXPECT_EQ(start->err(), "");
  EXPECT_EQ(::getsid(pid), pid);
  EXPECT_THAT(Slurp(log), HasSubstr("listens on"));
  struct stat info = {};
  ASSERT_EQ(::stat(log.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_TRUE(guard.Stop());
  EXPECT_THAT(Slurp(log), HasSubstr("stops"));
}

TEST(DetachTest, WhatKeepsItFromStartingIsOneLineAndItsExitStatus) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  const auto second = world.StartDaemon({"--detach"}, world.variables());
  EXPECT_EQ(second->Wait(), 4);
  EXPECT_EQ(second->out(), "");
  EXPECT_EQ(LineCount(second->err()), 1U) << second->err();
  EXPECT_THAT(second->err(), HasSubstr("pid " + std::to_string(world.daemon_pid())));
  std::filesystem::create_directory(world.folder() / "other");
  std::ofstream(world.folder() / "file") << "";
  const auto third = world.StartDaemon({"--detach", "--state", world.folder() / "file" / "state"},
                                       world.variables());
  EXPECT_EQ(third->Wait(), 4);
  EXPECT_EQ(LineCount(third->err()), 1U) << third->err();
}

// What children that are started meanwhile inherit.
class Disposition {
 public:
  Disposition(int number, sighandler_t handler)
      : number_(number), before_(::signal(number, handler)) {}
  ~Disposition() { ::signal(number_, before_); }
  Disposition(const Disposition&) = delete;
  Disposition& operator=(const Disposition&) = delete;

 private:
  const int number_;
  const sighandler_t before_;
};

TEST(DetachTest, ASignalThatWasIgnoredAsUnderNohupStaysIgnored) {
  for (const int number : {SIGHUP, SIGINT}) {
    World world(World::FakeWorker());
    {
      const Disposition ignored(number, SIG_IGN);
      ASSERT_TRUE(world.Start()) << world.daemon_log();
    }
    ASSERT_EQ(::kill(world.daemon_pid(), number), 0);
    EXPECT_EQ(world.Client({"status"}).status, 0);
    EXPECT_EQ(world.Stop(), 0);
  }
}

TEST(DetachTest, ASignalThatWasNotIgnoredStopsItInGoodOrder) {
  for (const int number : {SIGHUP, SIGINT}) {
    World world(World::FakeWorker());
    {
      const Disposition usual(number, SIG_DFL);
      ASSERT_TRUE(world.Start()) << world.daemon_log();
    }
    ASSERT_EQ(::kill(world.daemon_pid(), number), 0);
    EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(world.socket()); }));
    EXPECT_EQ(world.Stop(), 0);
  }
}

TEST(DetachTest, ALimitOnTheSizeOfFilesDoesNotKillIt) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  ASSERT_EQ(::kill(world.daemon_pid(), SIGXFSZ), 0);
  EXPECT_EQ(world.Client({"status"}).status, 0);
  EXPECT_EQ(world.Stop(), 0);
}

TEST(DetachTest, WithoutDescriptors0To2NothingIsWrittenIntoItsFiles) {
  World world(World::FakeWorker());
  std::filesystem::create_directories(world.folder() / "run");
  Process shell({"/bin/sh", "-c", "exec \"$0\" <&- >&- 2>&-", TORCHLAP_BIN_DIR "/torchlapd"},
                world.variables(), world.folder() / "shell.out", world.folder() / "shell.err");
  ASSERT_TRUE(Eventually([&] { return world.Client({"status"}).status == 0; }));
  const std::filesystem::path process = "/proc/" + std::to_string(shell.pid());
  for (const char* number : {"0", "1", "2"}) {
    EXPECT_EQ(std::filesystem::read_symlink(process / "fd" / number), "/dev/null") << number;
  }
  const std::string pid = std::to_string(shell.pid()) + "\n";
  EXPECT_EQ(Slurp(world.database().string() + ".lock"), pid);
  EXPECT_EQ(Slurp(world.socket().string() + ".lock"), pid);
  shell.Signal(SIGTERM);
  EXPECT_EQ(shell.Wait(), 0);
}

TEST(DetachTest, AClientWithoutOutputSaysSoByItsExitStatus) {
  World world(World::FakeWorker());
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  Process shell({"/bin/sh", "-c", "exec \"$0\" status <&- >&-", TORCHLAP_BIN_DIR "/torchlap"},
                world.variables(), world.folder() / "shell.out", world.folder() / "shell.err");
  EXPECT_NE(shell.Wait(), 0);
  EXPECT_THAT(shell.err(), HasSubstr("cannot write"));
}

}  // namespace
}  // namespace torchlap::e2e
