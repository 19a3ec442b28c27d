// A GPU of the fake libnvidia-ml before a run, and after the daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/host/device_settings_journal.h"
#include "server/run/local_device.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/server/host/fake_machine.h"

namespace torchlap::run {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kGpu[] =
    "gpu GPU-1 40960 A\npower-limit-mw 400000\npersistence 0\nsm-mhz 210\ntemperature 61\n";

class SettledGpuTest : public testing::Test {
 protected:
  SettledGpuTest() {
    machine_.Describe(kGpu);
    journal_ = *host::DeviceSettingsJournal::Open(machine_.root(), "boot");
    setting_.configuration = &configuration_;
    setting_.facts = &facts_;
    setting_.nvml = &nvml_;
    setting_.journal = journal_.get();
  }

  std::unique_ptr<LocalDevice> Gpu(const host::WantedSettings& wanted,
                                   std::optional<host::SettleWindow> window = {}) const {
    host::HostDevice device;
    device.name = "cuda:0";
    device.uuid = "GPU-1";
    device.kind = v1::DEVICE_KIND_CUDA;
    device.wanted = wanted;
    device.settle = window;
    return std::make_unique<LocalDevice>(std::move(device), &setting_);
  }
  std::vector<std::string> Sets() const {
    std::ifstream stream(machine_.root() / "machine");
    std::vector<std::string> sets;
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with("set ")) sets.push_back(line.substr(4));
    }
    return sets;
  }

  host::FakeMachine machine_;
  host::Configuration configuration_;
  host::HostFacts facts_;
  SettableClock clock_;
  host::NvmlOnDemand nvml_{TORCHLAP_FAKE_NVML_LIBRARY, &clock_};
  std::unique_ptr<host::DeviceSettingsJournal> journal_;
  LocalSetting setting_;
};

TEST_F(SettledGpuTest, OfWhichNothingIsWantedIsNotEvenLookedAt) {
  const SettleLook look = Gpu({})->Settle();
  EXPECT_FALSE(look.window || look.celsius);
  EXPECT_THAT(look.not_in_force, IsEmpty());
  EXPECT_FALSE(nvml_.is_open());
}

TEST_F(SettledGpuTest, IsSetBeforeARunAndRestoredWithItsPlace) {
  auto gpu = Gpu({true, 300, 1410});
  EXPECT_THAT(Sets(), IsEmpty()) << "not before there is a run";
  EXPECT_THAT(gpu->Settle().not_in_force, IsEmpty());
  EXPECT_THAT(Sets(), ElementsAre("GPU-1 persistence 1", "GPU-1 power-limit-mw 300000",
                                  "GPU-1 locked-mhz 1410"));
  EXPECT_THAT(gpu->Settle().not_in_force, IsEmpty());
  const v1::Environment environment = gpu->Environment();
  EXPECT_EQ(environment.gpu_locked_clocks(), "1410 MHz");
  EXPECT_EQ(environment.gpu_power_limit_mw(), 300'000U);
  EXPECT_EQ(environment.gpu_persistence(), "on");
  gpu.reset();
  EXPECT_THAT(Sets(), testing::SizeIs(6));
  EXPECT_EQ(Sets().back(), "GPU-1 persistence 0");
  EXPECT_THAT(journal_->changes(), IsEmpty());
}

TEST_F(SettledGpuTest, TheLibraryStaysOpenWhileSomethingIsSet) {
  auto gpu = Gpu({std::nullopt, std::nullopt, host::kBaseClocks});
  gpu->Settle();
  clock_.Advance(10 * host::NvmlOnDemand::kIdleNs);
  EXPECT_TRUE(nvml_.is_open()) << "the driver would let the GPU go, and forget the clocks";
  EXPECT_EQ(gpu->Environment().gpu_locked_clocks(), "base");
  gpu.reset();
  EXPECT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + host::NvmlOnDemand::kIdleNs));
}

TEST_F(SettledGpuTest, TellsItsTemperatureForTheWindow) {
  const host::SettleWindow window = {50, 0, 60'000'000'000};
  const SettleLook look = Gpu({}, window)->Settle();
  ASSERT_TRUE(look.window);
  EXPECT_EQ(look.window->below_celsius, 50U);
  EXPECT_EQ(look.celsius, 61U);
}

TEST_F(SettledGpuTest, TellsWhenOthersWorkedLastWhereTheWindowIsAboutRest) {
  const int64_t then_us = SystemClock().WallNs() / 1000 - 3'000'000;
  machine_.Describe(kGpu + ("process 4211 11468 compute\nsample " + std::to_string(then_us)) +
                    " 4211 90\n");
  const SettleLook look = Gpu({}, host::SettleWindow{50, 1, 60'000'000'000})->Settle();
  ASSERT_TRUE(look.others_worked_ns_ago);
  EXPECT_GE(*look.others_worked_ns_ago, 3'000'000'000);
  const SettleLook cool = Gpu({}, host::SettleWindow{50, 0, 60'000'000'000})->Settle();
  EXPECT_FALSE(cool.others_worked_ns_ago) << "nobody is asked";
}

TEST_F(SettledGpuTest, OfAMigInstanceItIsThatOfTheWholeGpu) {
  machine_.Describe("mig-gpu GPU-2 40960 A\ntemperature 55\nmig GPU-1 4864 A MIG 1g.5gb\n");
  const SettleLook look =
      Gpu({std::nullopt, 300, std::nullopt}, host::SettleWindow{50, 0, 60'000'000'000})->Settle();
  EXPECT_EQ(look.celsius, 55U);
  EXPECT_THAT(look.not_in_force, ElementsAre("nothing is set: a MIG instance has no clocks or "
                                             "limits of its own"));
}

TEST_F(SettledGpuTest, WithoutDriverOrJournalItIsSaidThatNothingIsSet) {
  machine_.Describe("init-error 9\n");
  EXPECT_THAT(Gpu({true, 300, 1410})->Settle().not_in_force,
              ElementsAre("nothing is set: the NVIDIA driver does not answer"));
  machine_.Describe(kGpu);
  setting_.journal = nullptr;
  EXPECT_THAT(Gpu({true, 300, 1410})->Settle().not_in_force,
              ElementsAre("nothing is set: the journal of settings cannot be read"));
  EXPECT_THAT(Sets(), IsEmpty());
}

}  // namespace
}  // namespace torchlap::run
