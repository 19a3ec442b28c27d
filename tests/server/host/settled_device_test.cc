// With the fake libnvidia-ml, whose settings outlive a process as a driver's do.
#include "server/host/settled_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kGpu[] =
    "gpu GPU-1 40960 NVIDIA A100\npower-limit-mw 400000\npower-limits-mw 100000 400000\n"
    "persistence 0\nsm-mhz 210\n";
const WantedSettings kAll = {true, 300, 1410};

class SettledDeviceTest : public testing::Test {
 protected:
  void Describe(const std::string& gpus, const std::string& library = TORCHLAP_FAKE_NVML_LIBRARY) {
    machine_.Describe(gpus);
    library_ = library;
  }
  std::shared_ptr<const NvmlLibrary> Nvml() const { return *NvmlLibrary::Open(library_); }
  FindGpu Find() const {
    return [this](const std::string& uuid) { return FindSettableGpu(Nvml(), uuid); };
  }
  std::unique_ptr<DeviceSettingsJournal> Journal() const {
    return *DeviceSettingsJournal::Open(machine_.root(), "boot");
  }
  std::vector<std::string> Apply(const WantedSettings& wanted, DeviceSettingsJournal* journal) {
    return SettledDevice("GPU-1", wanted, journal).Apply(Find()("GPU-1")->get());
  }
  RestoreReport Restore() const { return RestoreSettings(Find(), Journal().get()); }

  // What was set since the machine was described, `persistence 1`.
  std::vector<std::string> Sets() const {
    constexpr char kStart[] = "set GPU-1 ";
    std::ifstream stream(machine_.root() / "machine");
    std::vector<std::string> sets;
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with(kStart)) sets.push_back(line.substr(sizeof kStart - 1));
    }
    return sets;
  }
  // As somebody else would, with nvidia-smi.
  void SetByAnother(const std::string& setting) const {
    std::ofstream(machine_.root() / "machine", std::ios::app) << "set GPU-1 " + setting + "\n";
  }
  std::optional<uint32_t> Now(NvmlSetting setting) const {
    return *(*Find()("GPU-1"))->Read(setting);
  }

  FakeMachine machine_;
  std::string library_ = TORCHLAP_FAKE_NVML_LIBRARY;
};

TEST_F(SettledDeviceTest, IsMadeAsWantedAndRestored) {
  Describe(kGpu);
  const auto journal = Journal();
  EXPECT_THAT(Apply(kAll, journal.get()), IsEmpty());
  EXPECT_THAT(Sets(), ElementsAre("persistence 1", "power-limit-mw 300000", "locked-mhz 1410"));
  EXPECT_THAT(journal->changes(), SizeIs(3));
  const SettledDevice settled("GPU-1", kAll, journal.get());
  EXPECT_TRUE(settled.has_changes());
  EXPECT_EQ(settled.locked_clocks(), "1410 MHz");
  EXPECT_EQ(WantedClocks(kAll), settled.locked_clocks());
  EXPECT_EQ(WantedClocks({}), "");
  EXPECT_FALSE(SettledDevice("GPU-2", kAll, journal.get()).has_changes());
  EXPECT_THAT(RestoreSettings(Find(), journal.get(), "GPU-1").restored,
              ElementsAre("GPU-1 lock_clocks: unlocked", "GPU-1 power_limit_watts: 400 W",
                          "GPU-1 persistence: off"));
  EXPECT_THAT(Sets(), ElementsAre("persistence 1", "power-limit-mw 300000", "locked-mhz 1410",
                                  "locked-mhz off", "power-limit-mw 400000", "persistence 0"));
  EXPECT_FALSE(settled.has_changes());
  EXPECT_EQ(settled.locked_clocks(), "");
}

TEST_F(SettledDeviceTest, WhatIsAsWantedIsNotTouched) {
  Describe(kGpu);
  const auto journal = Journal();
  EXPECT_THAT(Apply({false, 400, std::nullopt}, journal.get()), IsEmpty());
  EXPECT_THAT(Apply({}, journal.get()), IsEmpty());
  EXPECT_THAT(Sets(), IsEmpty());
  for (int run = 0; run < 3; ++run) EXPECT_THAT(Apply(kAll, journal.get()), IsEmpty());
  EXPECT_THAT(Sets(), SizeIs(3)) << "once, not before every run";
}

TEST_F(SettledDeviceTest, BaseClocksAreTheBoardsOwn) {
  Describe(kGpu);
  const auto journal = Journal();
  const WantedSettings wanted = {std::nullopt, std::nullopt, kBaseClocks};
  EXPECT_THAT(Apply(wanted, journal.get()), IsEmpty());
  EXPECT_THAT(Sets(), ElementsAre("locked-mhz base"));
  EXPECT_EQ(SettledDevice("GPU-1", wanted, journal.get()).locked_clocks(), "base");
}

TEST_F(SettledDeviceTest, WithoutTheRightNothingIsChangedAndEachKeyHasALine) {
  Describe(std::string(kGpu) + "set-error 4\n");
  const auto journal = Journal();
  EXPECT_THAT(Apply(kAll, journal.get()),
              ElementsAre("persistence is not in force: needs root or CAP_SYS_ADMIN",
                          "power_limit_watts is not in force: needs root or CAP_SYS_ADMIN",
                          "lock_clocks is not in force: needs root or CAP_SYS_ADMIN"));
  EXPECT_THAT(journal->changes(), IsEmpty());
  EXPECT_THAT(Sets(), IsEmpty());
}

TEST_F(SettledDeviceTest, AnOldDriverCannotSetThem) {
  Describe(kGpu, TORCHLAP_FAKE_NVML_UNVERSIONED_LIBRARY);
  const auto journal = Journal();
  EXPECT_THAT(Apply({std::nullopt, std::nullopt, 1410}, journal.get()),
              ElementsAre("lock_clocks is not in force: this driver cannot set it"));
  EXPECT_THAT(journal->changes(), IsEmpty());
  EXPECT_THAT(WhyNotSettable(*Nvml(), "GPU-1", kAll, true),
              ElementsAre("persistence is not in force: this driver cannot set it",
                          "power_limit_watts is not in force: this driver cannot set it",
                          "lock_clocks is not in force: this driver cannot set it"));
}

TEST_F(SettledDeviceTest, WhatTheDeviceDoesNotTellIsNotChanged) {
  Describe("gpu GPU-1 40960 NVIDIA GeForce\n");
  const auto journal = Journal();
  EXPECT_THAT(Apply({std::nullopt, 300, std::nullopt}, journal.get()),
              ElementsAre("power_limit_watts is not in force: this device does not tell what it is "
                          "now"));
  EXPECT_THAT(Sets(), IsEmpty());
}

TEST_F(SettledDeviceTest, APowerLimitBeyondTheBoardsIsSaidWithItsRange) {
  Describe(kGpu);
  const auto journal = Journal();
  const WantedSettings wanted = {std::nullopt, 500, std::nullopt};
  const auto line = "power_limit_watts is not in force: it is 500, must be 100 to 400";
  EXPECT_THAT(WhyNotSettable(*Nvml(), "GPU-1", wanted, true), ElementsAre(line));
  EXPECT_THAT(Apply(wanted, journal.get()), ElementsAre(line));
  EXPECT_THAT(journal->changes(), IsEmpty());
  EXPECT_THAT(WhyNotSettable(*Nvml(), "GPU-1", kAll, true), IsEmpty());
}

TEST_F(SettledDeviceTest, AMigInstanceIsNotSet) {
  Describe("mig-gpu GPU-2 40960 NVIDIA A100\nmig GPU-1 4864 NVIDIA A100 MIG 1g.5gb\n");
  const auto gpu = Find()("GPU-1");
  EXPECT_TRUE(absl::IsFailedPrecondition(gpu.status()));
  EXPECT_THAT(WhyNotSettable(*Nvml(), "GPU-1", {std::nullopt, std::nullopt, 1410}, true),
              ElementsAre("lock_clocks is not in force: a MIG instance has no clocks or limits of "
                          "its own"));
}

TEST_F(SettledDeviceTest, SomebodyElsesChangeIsLeftAndSaid) {
  Describe(kGpu);
  const auto journal = Journal();
  ASSERT_THAT(Apply(kAll, journal.get()), IsEmpty());
  SetByAnother("power-limit-mw 250000");
  EXPECT_THAT(Apply(kAll, journal.get()),
              ElementsAre("power_limit_watts is not in force: somebody else has changed it since"));
  const RestoreReport report = RestoreSettings(Find(), journal.get());
  EXPECT_THAT(report.left, ElementsAre("GPU-1 power_limit_watts: somebody else has changed it "
                                       "since, left as it is"));
  EXPECT_THAT(report.restored, SizeIs(2));
  EXPECT_EQ(Now(NvmlSetting::kPowerLimitMw), 250000U);
  EXPECT_THAT(journal->changes(), IsEmpty());
}

TEST_F(SettledDeviceTest, ClocksThatRunFasterThanTheyWereLockedAreSomebodyElses) {
  const struct {
    const char* sm_mhz;
    bool is_ours;
  } cases[] = {{"210", true}, {"1410", true}, {"1440", true}, {"1441", false}, {"1800", false}};
  for (const auto& each : cases) {
    Describe("gpu GPU-1 40960 NVIDIA A100\nsm-mhz " + std::string(each.sm_mhz) + "\n");
    const auto journal = Journal();
    ASSERT_TRUE(journal->Add({"GPU-1", NvmlSetting::kLockedMhz, std::nullopt, 1410}).ok());
    const RestoreReport report = RestoreSettings(Find(), journal.get());
    EXPECT_EQ(report.restored.size(), each.is_ours ? 1U : 0U) << each.sm_mhz;
    EXPECT_EQ(report.left.size(), each.is_ours ? 0U : 1U) << each.sm_mhz;
    EXPECT_EQ(Sets().size(), each.is_ours ? 1U : 0U) << each.sm_mhz;
  }
}

TEST_F(SettledDeviceTest, WhatCannotBeRestoredNowStaysInTheJournal) {
  Describe(std::string(kGpu) + "set-error 4\n");
  const auto journal = Journal();
  ASSERT_TRUE(journal->Add({"GPU-1", NvmlSetting::kLockedMhz, std::nullopt, 1410}).ok());
  ASSERT_TRUE(journal->Add({"GPU-9", NvmlSetting::kPersistence, 0, 1}).ok());
  const RestoreReport report = RestoreSettings(Find(), journal.get());
  EXPECT_THAT(report.failed, ElementsAre(HasSubstr("GPU-9 persistence: "),
                                         "GPU-1 lock_clocks: needs root or CAP_SYS_ADMIN"));
  EXPECT_THAT(journal->changes(), SizeIs(2));
  Describe(kGpu);
  EXPECT_THAT(RestoreSettings(Find(), journal.get(), "GPU-1").restored, SizeIs(1));
  EXPECT_THAT(journal->changes(), SizeIs(1)) << "of the other GPU";
}

// Counts what is asked of the GPU, and is killed before or after one of these calls: all that lies
// between two steps, as each write of the journal lies between two of them.
class MortalGpu final : public SettableGpu {
 public:
  MortalGpu(std::unique_ptr<SettableGpu> gpu, int* calls_left)
      : gpu_(std::move(gpu)), calls_left_(calls_left) {}

  absl::StatusOr<std::optional<uint32_t>> Read(NvmlSetting setting) const override {
    Step();
    auto value = gpu_->Read(setting);
    Step();
    return value;
  }
  absl::Status Write(NvmlSetting setting, std::optional<uint32_t> value) override {
    Step();
    absl::Status written = gpu_->Write(setting, value);
    Step();
    return written;
  }
  std::optional<uint32_t> SmClockMhz() const override { return gpu_->SmClockMhz(); }

 private:
  void Step() const {
    if ((*calls_left_)-- == 0) ::kill(::getpid(), SIGKILL);
  }

  const std::unique_ptr<SettableGpu> gpu_;
  int* const calls_left_;
};

// Whether a child that makes so many steps was killed before it was through.
template <typename Act>
bool DiesAfter(int steps, const Act& act) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    act(&steps);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status);
}

class KilledTest : public SettledDeviceTest {
 protected:
  FindGpu FindMortal(int* steps) const {
    return [this, steps](const std::string& uuid) -> absl::StatusOr<std::unique_ptr<SettableGpu>> {
      auto gpu = FindSettableGpu(Nvml(), uuid);
      if (!gpu.ok()) return gpu.status();
      return std::make_unique<MortalGpu>(*std::move(gpu), steps);
    };
  }
  void ExpectAsBefore(int steps) const {
    EXPECT_EQ(Now(NvmlSetting::kPersistence), 0U) << steps;
    EXPECT_EQ(Now(NvmlSetting::kPowerLimitMw), 400000U) << steps;
    const std::vector<std::string> sets = Sets();
    std::string clocks = "locked-mhz off";
    for (const std::string& set : sets) {
      if (set.starts_with("locked-mhz")) clocks = set;
    }
    EXPECT_EQ(clocks, "locked-mhz off") << steps;
    EXPECT_THAT(Journal()->changes(), IsEmpty()) << steps;
  }
};

TEST_F(KilledTest, BetweenAnyTwoStepsOfAChangeItIsUndoneAtTheNextStart) {
  int deaths = 0;
  for (int steps = 0;; ++steps) {
    Describe(kGpu);
    const bool died = DiesAfter(steps, [&](int* left) {
      const auto journal = Journal();
      const auto gpu = FindMortal(left)("GPU-1");
      SettledDevice("GPU-1", kAll, journal.get()).Apply(gpu->get());
    });
    EXPECT_THAT(Restore().failed, IsEmpty()) << steps;
    ExpectAsBefore(steps);
    if (!died) break;
    ++deaths;
  }
  EXPECT_EQ(deaths, 12) << "three times a read and a write, before and after each";
}

TEST_F(KilledTest, BetweenAnyTwoStepsOfRestoringItGoesOnAtTheNextStart) {
  int deaths = 0;
  for (int steps = 0;; ++steps) {
    Describe(kGpu);
    {
      const auto journal = Journal();
      ASSERT_THAT(Apply(kAll, journal.get()), IsEmpty());
    }
    const bool died = DiesAfter(steps, [&](int* left) {
      const auto journal = Journal();
      RestoreSettings(FindMortal(left), journal.get());
    });
    EXPECT_THAT(Restore().failed, IsEmpty()) << steps;
    ExpectAsBefore(steps);
    if (!died) break;
    ++deaths;
  }
  EXPECT_EQ(deaths, 10) << "of clocks nothing is read";
}

TEST_F(KilledTest, SomebodyElsesChangeAfterTheKillIsNotOverwritten) {
  for (int steps = 0; steps < 12; ++steps) {
    Describe(kGpu);
    DiesAfter(steps, [&](int* left) {
      const auto journal = Journal();
      const auto gpu = FindMortal(left)("GPU-1");
      SettledDevice("GPU-1", kAll, journal.get()).Apply(gpu->get());
    });
    SetByAnother("power-limit-mw 250000");
    EXPECT_THAT(Restore().failed, IsEmpty()) << steps;
    EXPECT_EQ(Now(NvmlSetting::kPowerLimitMw), 250000U) << steps;
  }
}

TEST(MaySetDevices, IsWhoHasTheCapability) {
  FakeMachine machine;
  EXPECT_FALSE(MaySetDevices(machine.root()));
  const struct {
    const char* effective;
    bool may;
  } cases[] = {{"000001ffffffffff", true},
               {"0000000000200000", true},
               {"0000000000000000", false},
               {"000001ffffdfffff", false}};
  for (const auto& each : cases) {
    machine.Write("proc/self/status", std::string("Name:\ttorchlapd\nCapPrm:\t000001ffffffffff\n"
                                                  "CapEff:\t") +
                                          each.effective + "\nCapBnd:\t0000000000000000\n");
    EXPECT_EQ(MaySetDevices(machine.root()), each.may) << each.effective;
  }
}

}  // namespace
}  // namespace torchlap::host
