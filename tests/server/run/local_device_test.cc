// With real processes and real claims, of a scope of its own.
#include "server/run/local_device.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "server/host/device_claim.h"
#include "server/host/device_processes.h"
#include "server/run/worker_family.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/server/host/child_process.h"
#include "tests/server/host/fake_machine.h"
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
  EXPECT_FALSE(device.UsedByAnother().has_value()) << "it is not ours yet";
  EXPECT_TRUE(IsHeld(device.TryToHold()));
  EXPECT_FALSE(device.UsedByAnother().has_value());
}

// Another user who holds a core, and computes there once he is told to.
class Stranger {
 public:
  Stranger(int core, const std::vector<std::string>& keys) {
    int start[2] = {-1, -1};
    int ready[2] = {-1, -1};
    if (::pipe(start) != 0 || ::pipe(ready) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) Live(core, keys, start[0], ready[1]);
    start_.reset(start[1]);
    ::close(start[0]);
    ::close(ready[1]);
    char word = 0;
    holds_ = ::read(ready[0], &word, 1) == 1;
    ::close(ready[0]);
  }
  ~Stranger() { Kill(); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  pid_t pid() const { return pid_; }
  bool holds() const { return holds_; }
  bool Compute() const { return ::write(start_.get(), "c", 1) == 1; }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  [[noreturn]] static void Live(int core, const std::vector<std::string>& keys, int start,
                                int ready) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    ::sched_setaffinity(0, sizeof cores, &cores);
    if (::setuid(12345) != 0) ::_exit(1);
    const auto held = host::TryClaim(keys);
    char word = 0;
    if (!held.ok() || ::write(ready, "r", 1) != 1 || ::read(start, &word, 1) != 1) ::_exit(1);
    for (volatile uint64_t turns = 0;;) turns = turns + 1;
  }

  pid_t pid_ = -1;
  FileDescriptor start_;
  bool holds_ = false;
};

// One that this process may run on.
int OwnCore() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof cores, &cores);
  int core = 0;
  while (core + 1 < CPU_SETSIZE && !CPU_ISSET(core, &cores)) ++core;
  return core;
}

// On a machine that is busy with other things he may be given nothing for a while.
std::optional<host::HeldBy> AwaitUse(LocalDevice* device) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::optional<host::HeldBy> user;
  while (!user && std::chrono::steady_clock::now() < deadline) user = device->UsedByAnother();
  return user;
}

TEST_F(LocalDeviceTest, WhoBeginsToComputeAfterItWasTakenIsGivenWay) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  configuration_.system = true;
  const int core = OwnCore();
  Stranger stranger(core, Keys({core}));
  ASSERT_TRUE(stranger.holds());
  LocalDevice device = Device({core, core + 1});
  ASSERT_TRUE(IsHeld(device.TryToHold()));
  EXPECT_FALSE(device.UsedByAnother().has_value());
  ASSERT_TRUE(stranger.Compute());
  const auto user = AwaitUse(&device);
  ASSERT_TRUE(user.has_value());
  EXPECT_EQ(user->pid, stranger.pid());
  EXPECT_EQ(user->uid, 12345U);
  EXPECT_EQ(user->user, "uid:12345");
  EXPECT_TRUE(user->may_lapse) << "he has it as long as he computes";
  stranger.Kill();
  pollfd gone = {user->watch_fd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&gone, 1, 10'000), 1);
  EXPECT_FALSE(device.UsedByAnother().has_value());
  EXPECT_TRUE(IsHeld(device.TryToHold())) << "it was ours all the time";
}

TEST_F(LocalDeviceTest, WhoComputesOnOtherCoresIsNotGivenWay) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  configuration_.system = true;
  const int core = OwnCore();
  Stranger stranger(core, Keys({core + 1}));
  ASSERT_TRUE(stranger.holds());
  LocalDevice device = Device({core + 1});
  ASSERT_TRUE(IsHeld(device.TryToHold()));
  ASSERT_TRUE(stranger.Compute());
  for (int looks = 0; looks < 3; ++looks) EXPECT_FALSE(device.UsedByAnother().has_value());
}

TEST_F(LocalDeviceTest, AUsersOwnDaemonGivesNobodyWayOnceItHasADevice) {
  LocalDevice device = Device({0});
  ASSERT_TRUE(IsHeld(device.TryToHold()));
  EXPECT_FALSE(device.UsedByAnother().has_value());
}

class GpuClaimTest : public LocalDeviceTest {
 protected:
  GpuClaimTest() { configuration_.system = true; }

  static std::vector<std::string> KeysOf(const std::string& uuid) {
    return host::GpuClaimKeys("local-test-" + std::to_string(::getpid()), uuid);
  }
  LocalDevice Gpu(const std::string& uuid) const {
    host::HostDevice device;
    device.name = "cuda:0";
    device.uuid = uuid;
    device.kind = v1::DEVICE_KIND_CUDA;
    device.claim_keys = KeysOf(uuid);
    return LocalDevice(std::move(device), &setting_);
  }
  // The driver reads it when it is opened.
  void Open(const std::string& gpus) {
    Close();
    machine_.Describe(gpus);
    setting_.nvml = &nvml_.emplace(TORCHLAP_FAKE_NVML_LIBRARY);
  }

  void Close() {
    setting_.nvml = nullptr;
    nvml_.reset();
  }

  host::FakeMachine machine_;
  std::optional<host::NvmlOnDemand> nvml_;
};

TEST_F(GpuClaimTest, AClaimOfAnotherUserCountsWhereAProcessOfHisComputes) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  if (!host::SeesHostPids()) GTEST_SKIP() << "processes of the driver have no names here";
  const Stranger stranger(0, KeysOf("MIG-a"));
  ASSERT_TRUE(stranger.holds());
  LocalDevice device = Gpu("MIG-a");
  ASSERT_TRUE(IsHeld(device.TryToHold()));
  const std::string his = "process " + std::to_string(stranger.pid()) + " 100 ";
  const std::string ours = "process " + std::to_string(::getpid()) + " 100 compute\n";
  const std::string instance = "mig-gpu GPU-1 40960 A\nmig MIG-a 4864 A\n";
  for (const auto& [gpus, counts] : std::vector<std::pair<std::string, bool>>{
           {instance, false},
           {instance + ours, false},
           {instance + his + "graphics\n", false},
           {instance + ours + "mig MIG-b 4864 A\n" + his + "compute\n", false},
           {instance + "gpu GPU-2 40960 A\n" + his + "compute\n", false},
           {"gpu GPU-2 40960 A\n" + his + "compute\n", false},
           {instance + "process-error 4\n", false},
           {instance + ours + his + "compute\n", true}}) {
    Open(gpus);
    const auto user = device.UsedByAnother();
    EXPECT_EQ(user.has_value(), counts) << gpus;
    EXPECT_EQ(user ? user->pid : stranger.pid(), stranger.pid());
  }
  Close();
  EXPECT_FALSE(device.UsedByAnother().has_value()) << "without a driver";
}

TEST_F(GpuClaimTest, AClaimOfThisAccountCountsWithoutAnyUse) {
  Open("gpu GPU-1 40960 A\n");
  const auto held = host::TryClaim(KeysOf("GPU-1"));
  ASSERT_TRUE(held.ok());
  LocalDevice device = Gpu("GPU-1");
  const auto other = device.TryToHold();
  ASSERT_TRUE(other.ok() && other->has_value());
  EXPECT_EQ((*other)->pid, ::getpid());
  EXPECT_FALSE((*other)->may_lapse);
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

class LocalGpuTest : public LocalDeviceTest {
 protected:
  LocalGpuTest() {
    setting_.facts = &facts_;
    setting_.nvml = &nvml_;
    facts_.driver_version = "580.65.06";
  }

  LocalDevice Gpu(const std::string& uuid) const {
    host::HostDevice device;
    device.name = "cuda:0";
    device.uuid = uuid;
    device.kind = v1::DEVICE_KIND_CUDA;
    device.model = "NVIDIA A100";
    device.cores = {0, 1};
    device.claim_keys = host::GpuClaimKeys("local-test-" + std::to_string(::getpid()), uuid);
    for (const std::string& key : Keys(device.cores)) device.claim_keys.push_back(key);
    return LocalDevice(std::move(device), &setting_);
  }

  host::HostFacts facts_;
  host::FakeMachine machine_;
  SettableClock clock_;
  host::NvmlOnDemand nvml_{TORCHLAP_FAKE_NVML_LIBRARY, &clock_};
};

TEST_F(LocalGpuTest, TheEnvironmentHasTheSettingsOfTheGpuAsTheyAreNow) {
  machine_.Describe("gpu GPU-1 40960 A\npower-limit-mw 400000 300000\necc 1\n");
  const LocalDevice gpu = Gpu("GPU-1");
  const v1::Environment before = gpu.Environment();
  EXPECT_EQ(before.gpu_power_limit_mw(), 400'000U);
  EXPECT_EQ(before.gpu_ecc(), "on");
  EXPECT_EQ(before.driver_version(), "580.65.06");
  EXPECT_EQ(before.cores(), "0-1");
  EXPECT_EQ(gpu.Environment().gpu_power_limit_mw(), 300'000U);
}

TEST_F(LocalGpuTest, TheLibraryIsOpenFromTheFirstQuestionOnAndWhileTheRunIsWatched) {
  machine_.Describe("gpu GPU-1 40960 A\nused-mib 7\n");
  const LocalDevice gpu = Gpu("GPU-1");
  EXPECT_FALSE(nvml_.is_open()) << "a device that nobody uses may sleep";
  {
    const auto watched = gpu.Watch(v1::TELEMETRY_OFF);
    clock_.Advance(10 * host::NvmlOnDemand::kIdleNs);
    EXPECT_TRUE(nvml_.is_open());
    EXPECT_EQ(gpu.ForeignBytes(), uint64_t{7} << 20);
  }
  EXPECT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + host::NvmlOnDemand::kIdleNs));
}

TEST_F(LocalGpuTest, WhatIsSeenDuringARunIsOfItsWorkerAndOfOthers) {
  machine_.Describe(
      "gpu GPU-1 40960 A\ncapability 9 0\nxid 31\nprocess 99 1 graphics\n"
      "process 4711 1000 compute\nuse 4711 80\n");
  const auto watched = Gpu("GPU-1").Watch(v1::TELEMETRY_EDGES);
  EXPECT_FALSE(watched->Around().use.tells_use) << "no run yet";
  watched->Begin(4711);
  watched->End();
  const GpuSurroundings around = watched->Around();
  EXPECT_EQ(around.worker_pid, 4711);
  EXPECT_EQ(around.compute_capability, 90);
  EXPECT_EQ(around.xids, std::vector<uint64_t>{31});
  EXPECT_TRUE(around.use.tells_use);
  EXPECT_EQ(around.use.looks.size(), 2U);
  ASSERT_EQ(around.use.processes.size(), 2U);
  EXPECT_EQ(around.use.processes[0].pid, 99);
  EXPECT_EQ(around.use.processes[1].pid, 4711);
}

TEST_F(LocalGpuTest, AGpuIsHeldWithTheCoresOfItsWorker) {
  {
    LocalDevice gpu = Gpu("GPU-1");
    ASSERT_TRUE(IsHeld(gpu.TryToHold()));
    const auto other = host::TryClaim(Keys({1, 2}));
    ASSERT_TRUE(other.ok());
    EXPECT_TRUE(std::holds_alternative<host::HeldBy>(*other)) << "a CPU device of another daemon";
  }
  const auto other = host::TryClaim(Keys({1, 2}));
  ASSERT_TRUE(other.ok() && std::holds_alternative<host::Claim>(*other));
  LocalDevice gpu = Gpu("GPU-1");
  const auto held = gpu.TryToHold();
  ASSERT_TRUE(held.ok() && held->has_value());
  EXPECT_EQ((*held)->key, Keys({1}).front());
}

TEST_F(LocalGpuTest, ACpuDeviceOpensNothingAndADriverThatDoesNotAnswerIsNoMore) {
  machine_.Describe("gpu GPU-1 40960 A\npower-limit-mw 400000\n");
  EXPECT_EQ(Device({0}).Environment().gpu_power_limit_mw(), 0U);
  EXPECT_FALSE(nvml_.is_open());
  machine_.Describe("init-error 9\n");
  EXPECT_EQ(Gpu("GPU-1").Environment().gpu_power_limit_mw(), 0U);
  EXPECT_EQ(Gpu("GPU-1").ForeignBytes(), std::nullopt);
}

TEST_F(LocalDeviceTest, OnlyTheRealWorkersTimesAreThoseOfTheClock) {
  EXPECT_FALSE(Device({0}).KeepsTime());
  setting_.worker_program = "/opt/torchlap/bin/torchlap-worker";
  EXPECT_TRUE(Device({0}).KeepsTime());
}

}  // namespace
}  // namespace torchlap::run
