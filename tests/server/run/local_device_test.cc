// With real processes and real claims, of a scope of its own.
#include "server/run/local_device.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "server/host/device_claim.h"
#include "server/run/worker_family.h"
#include "tests/server/host/child_process.h"
#include "tests/server/host/temporary_folder.h"

namespace torchlap::run {
namespace {

class LocalDeviceTest : public testing::Test {
 protected:
  LocalDeviceTest() {
    Keys({});
    configuration_.state_folder = folder_.path() / "state";
    configuration_.runtime_folder = folder_.path() / "run";
    std::filesystem::create_directories(configuration_.state_folder / "logs");
    std::filesystem::create_directories(configuration_.runtime_folder);
    setting_.configuration = &configuration_;
    setting_.worker_program = TORCHLAP_FAKE_WORKER_PROGRAM;
  }

  // The same in a child that holds one of them.
  static std::vector<std::string> Keys(const std::vector<int>& cores) {
    static const std::string scope = "local-test-" + std::to_string(::getpid());
    return host::CpuClaimKeys(scope, cores);
  }

  LocalDevice Device(const std::vector<int>& cores) const {
    host::HostDevice device;
    device.name = "cpu0";
    device.uuid = "CPU-0";
    device.kind = v1::DEVICE_KIND_CPU;
    device.cores = cores;
    device.claim_keys = Keys(cores);
    return LocalDevice(std::move(device), &setting_);
  }

  // Holds the cores as another user.
  static bool HoldAsAnother(const std::vector<int>& cores) {
    static absl::StatusOr<std::variant<host::Claim, host::HeldBy>> held =
        absl::UnknownError("not tried");
    if (::setuid(12345) != 0) return false;
    held = host::TryClaim(Keys(cores));
    return held.ok();
  }

  host::TemporaryFolder folder_;
  host::Configuration configuration_;
  LocalSetting setting_;
};

// A process that was forked has the mark once it is the other program.
bool AwaitMark(pid_t pid, const std::string& mark) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/environ");
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    if (text.find(mark) != std::string::npos) return true;
    std::this_thread::yield();
  }
  return false;
}

bool IsHeld(const absl::StatusOr<std::optional<host::HeldBy>>& answer) {
  return answer.ok() && !answer->has_value();
}

TEST_F(LocalDeviceTest, ADaemonOfTheWholeMachineLocksItsDevicesToo) {
  configuration_.system = true;
  {
    LocalDevice device = Device({0, 1});
    EXPECT_TRUE(IsHeld(device.TryToHold()));
    const auto locks = configuration_.runtime_folder / "claims";
    struct stat info = {};
    ASSERT_EQ(::stat(locks.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700U);
    EXPECT_TRUE(std::filesystem::exists(
        locks / ("torchlap_local-test-" + std::to_string(::getpid()) + "_cpu-core-1.lock")));
  }
  LocalDevice again = Device({0, 1});
  EXPECT_TRUE(IsHeld(again.TryToHold())) << "let go of";
}

TEST_F(LocalDeviceTest, AUsersOwnDaemonLocksNothing) {
  LocalDevice device = Device({0});
  EXPECT_TRUE(IsHeld(device.TryToHold()));
  EXPECT_FALSE(std::filesystem::exists(configuration_.runtime_folder / "claims"));
}

TEST_F(LocalDeviceTest, AClaimOfAnotherUserWhoComputesNothingDoesNotCountForTheWholeMachine) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const host::ChildProcess stranger([] { return HoldAsAnother({0}); });
  ASSERT_TRUE(stranger.acted());
  LocalDevice own = Device({0});
  const auto held = own.TryToHold();
  ASSERT_TRUE(held.ok() && held->has_value());
  EXPECT_EQ((*held)->uid, 12345U);
  configuration_.system = true;
  LocalDevice device = Device({0});
  EXPECT_TRUE(IsHeld(device.TryToHold()));
}

TEST_F(LocalDeviceTest, WhatAnEarlierWorkerLeftIsGoneBeforeTheNextStarts) {
  LocalDevice device = Device({0, 1});
  ASSERT_TRUE(IsHeld(device.TryToHold()));
  const std::string mark = MarkOf(Keys({1, 2}));  // of a device that had other cores
  const pid_t leftover = ::fork();
  if (leftover == 0) {
    char* const variables[] = {const_cast<char*>(mark.c_str()), nullptr};
    ::execle("/bin/sleep", "sleep", "1000", nullptr, variables);
    ::_exit(1);
  }
  ASSERT_TRUE(AwaitMark(leftover, mark));
  const auto worker = device.Start("1.1");
  EXPECT_TRUE(worker.ok()) << worker.status();
  EXPECT_TRUE(::kill(leftover, 0) != 0 && errno == ESRCH);
}

TEST_F(LocalDeviceTest, OnlyTheRealWorkersTimesAreThoseOfTheClock) {
  EXPECT_FALSE(Device({0}).KeepsTime());
  setting_.worker_program = "/opt/torchlap/bin/torchlap-worker";
  EXPECT_TRUE(Device({0}).KeepsTime());
}

}  // namespace
}  // namespace torchlap::run
