#include "server/host/device_telemetry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/proto/base/settable_clock.h"
#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;
using testing::SizeIs;

constexpr int64_t kMs = 1'000'000;
constexpr uint64_t kMib = 1048576;
constexpr pid_t kWorker = 30;

class Telemetry : public testing::Test {
 protected:
  Telemetry() { TellTime(); }
  ~Telemetry() override { unsetenv("TORCHLAP_FAKE_NVML_NOW_US"); }

  // The driver's samples are of its own clock.
  void TellTime() {
    setenv("TORCHLAP_FAKE_NVML_NOW_US", std::to_string(clock_.WallNs() / 1000).c_str(), 1);
  }
  void Advance(int64_t ns) {
    clock_.Advance(ns);
    TellTime();
  }

  DeviceTelemetry Make(const std::string& machine, v1::Telemetry mode = v1::TELEMETRY_SAMPLED,
                       const std::string& uuid = "GPU-1") {
    return DeviceTelemetry(machine_.Open(machine), uuid, mode, &clock_, machine_.root());
  }
  // As its owner does: sleeps until it is due.
  void RunFor(int64_t duration_ns, DeviceTelemetry* telemetry) {
    const int64_t end_ns = clock_.MonotonicNs() + duration_ns;
    while (telemetry->NextSampleNs() && *telemetry->NextSampleNs() <= end_ns) {
      Advance(*telemetry->NextSampleNs() - clock_.MonotonicNs());
      telemetry->Sample();
    }
    Advance(end_ns - clock_.MonotonicNs());
  }

  // A run of so many ms, from Begin() to End().
  DeviceUse UseOf(const std::string& machine, int64_t ms, const std::string& uuid = "GPU-1") {
    DeviceTelemetry telemetry = Make(machine, v1::TELEMETRY_SAMPLED, uuid);
    start_ns_ = clock_.MonotonicNs();
    telemetry.Begin(kWorker);
    RunFor(ms * kMs, &telemetry);
    telemetry.End();
    return telemetry.Use();
  }

  // A line of the fake: a sample of so many ms from now, known from a question on.
  std::string Sample(int64_t ms, pid_t pid, unsigned percent, int question = 1) const {
    return Line("sample", ms, pid, percent, question);
  }
  // An entry that is told at every question.
  std::string Garbage(int64_t ms, pid_t pid, unsigned percent) const {
    return Line("garbage", ms, pid, percent, 1);
  }
  std::string Line(const std::string& word, int64_t ms, pid_t pid, unsigned percent,
                   int question) const {
    return word + " " + std::to_string(clock_.WallNs() / 1000 + ms * 1000) + " " +
           std::to_string(pid) + " " + std::to_string(percent) + " " + std::to_string(question) +
           "\n";
  }

  // `(ms after the start, share)` of what was told of it.
  std::vector<std::pair<int64_t, double>> EntriesOf(const DeviceUse& use, pid_t pid) const {
    std::vector<std::pair<int64_t, double>> entries;
    for (const UseStretch& stretch : StretchesOf(use, pid)) {
      entries.emplace_back((stretch.at_ns - start_ns_) / kMs, stretch.sm_ratio);
    }
    return entries;
  }
  // `(first ms, last ms)` after the start.
  std::vector<std::pair<int64_t, int64_t>> TimesOf(const DeviceUse& use, pid_t pid) const {
    std::vector<std::pair<int64_t, int64_t>> times;
    for (const UseStretch& stretch : StretchesOf(use, pid)) {
      times.emplace_back((stretch.from_ns - start_ns_) / kMs, (stretch.at_ns - start_ns_) / kMs);
    }
    return times;
  }
  static std::vector<UseStretch> StretchesOf(const DeviceUse& use, pid_t pid) {
    for (const ProcessUse& process : use.processes) {
      if (process.pid == pid) return process.stretches;
    }
    return {};
  }
  // In ms after the start.
  std::vector<int64_t> LooksOf(const DeviceUse& use) const {
    std::vector<int64_t> looks;
    for (const ProcessLook& look : use.looks) looks.push_back((look.at_ns - start_ns_) / kMs);
    return looks;
  }

  static std::vector<pid_t> PidsOf(const DeviceUse& use) {
    std::vector<pid_t> pids;
    for (const ProcessUse& process : use.processes) pids.push_back(process.pid);
    return pids;
  }

  FakeMachine machine_;
  SettableClock clock_;
  int64_t start_ns_ = clock_.MonotonicNs();
};

TEST_F(Telemetry, AReadingHasAllThatTheDeviceTells) {
  const auto nvml = machine_.Open(
      "gpu GPU-1 40960 A\nsm-mhz 1410\npower-mw 123456\ntemperature 61\nutilisation 97\n"
      "throttle 0x44\nused-mib 512\nreserved-mib 300\nenergy-mj 98765\nviolation-thermal-ns 11\n"
      "violation-power-ns 22\nviolation-board-ns 33\n");
  const v1::DeviceReading reading = ReadDevice(*nvml, *nvml->DeviceOf("GPU-1"), 42);
  EXPECT_EQ(reading.at_ns(), 42);
  EXPECT_EQ(reading.sm_mhz(), 1410U);
  EXPECT_DOUBLE_EQ(reading.power_watts(), 123.456);
  EXPECT_EQ(reading.temperature_celsius(), 61U);
  EXPECT_DOUBLE_EQ(reading.utilisation_ratio(), 0.97);
  EXPECT_EQ(reading.throttle_reasons(), throttle::kSoftwarePowerCap | throttle::kHardwareThermal);
  EXPECT_EQ(reading.used_bytes(), 512 * kMib);
  EXPECT_EQ(reading.energy_mj(), 98765U);
  EXPECT_EQ(reading.thermal_violation_ns(), 11U);
  EXPECT_EQ(reading.power_violation_ns(), 22U);
  EXPECT_EQ(reading.hardware_violation_ns(), 33U);
}

TEST_F(Telemetry, WhatADeviceDoesNotTellIsUnset) {
  const auto nvml = machine_.Open("gpu GPU-1 40960 A\nused-mib 0\n");
  const v1::DeviceReading reading = ReadDevice(*nvml, *nvml->DeviceOf("GPU-1"), 42);
  EXPECT_TRUE(reading.has_used_bytes());
  EXPECT_EQ(reading.used_bytes(), 0U);
  EXPECT_FALSE(reading.has_sm_mhz() || reading.has_power_watts() ||
               reading.has_temperature_celsius() || reading.has_utilisation_ratio() ||
               reading.has_throttle_reasons() || reading.has_energy_mj() ||
               reading.has_thermal_violation_ns() || reading.has_power_violation_ns() ||
               reading.has_hardware_violation_ns());
}

TEST_F(Telemetry, AMigInstanceHasTheClocksOfItsGpuAndItsOwnMemory) {
  const auto nvml = machine_.Open(
      "mig-gpu GPU-1 40960 A\nsm-mhz 1410\npower-mw 250000\ntemperature 61\nutilisation 97\n"
      "throttle 0x4\nused-mib 30000\nenergy-mj 98765\nviolation-thermal-ns 11\n"
      "violation-power-ns 22\nviolation-board-ns 33\nmig MIG-a 4864 A\nused-mib 512\n"
      "mig MIG-b 9728 A\nused-mib 700\n");
  for (const auto& [uuid, mib] : {std::pair("MIG-a", 512U), std::pair("MIG-b", 700U)}) {
    const v1::DeviceReading reading = ReadDevice(*nvml, *nvml->DeviceOf(uuid), 42);
    EXPECT_EQ(reading.used_bytes(), mib * kMib) << uuid;
    EXPECT_EQ(reading.sm_mhz(), 1410U);
    EXPECT_DOUBLE_EQ(reading.power_watts(), 250);
    EXPECT_EQ(reading.temperature_celsius(), 61U);
    EXPECT_EQ(reading.throttle_reasons(), throttle::kSoftwarePowerCap);
    EXPECT_EQ(reading.thermal_violation_ns(), 11U);
    EXPECT_EQ(reading.power_violation_ns(), 22U);
    EXPECT_EQ(reading.hardware_violation_ns(), 33U);
    // The whole GPU's are not the instance's.
    EXPECT_FALSE(reading.has_utilisation_ratio() || reading.has_energy_mj());
  }
}

TEST_F(Telemetry, OldLibrariesTellThrottlingByItsOldName) {
  const auto nvml =
      machine_.Open("driver 470.1\ngpu GPU-1 1 A\nthrottle 8\n", TORCHLAP_FAKE_NVML_2021_LIBRARY);
  EXPECT_EQ(ReadDevice(*nvml, *nvml->DeviceOf("GPU-1"), 0).throttle_reasons(),
            throttle::kHardwareSlowdown);
}

// Newer drivers tell a mean over a second as well.
TEST_F(Telemetry, PowerIsThatOfTheMomentWhereTheDriverTellsIt) {
  const auto watts = [this](const std::string& power, const char* library) {
    const auto nvml = machine_.Open("gpu GPU-1 1 A\n" + power, library);
    const v1::DeviceReading reading = ReadDevice(*nvml, *nvml->DeviceOf("GPU-1"), 0);
    return reading.has_power_watts() ? reading.power_watts() : -1;
  };
  const char* today = TORCHLAP_FAKE_NVML_LIBRARY;
  const std::string mean = "power-mw 300000\n";
  EXPECT_DOUBLE_EQ(watts(mean + "power-instant-mw 420500\n", today), 420.5);
  EXPECT_DOUBLE_EQ(watts("power-instant-mw 420500\n", today), 420.5);
  EXPECT_DOUBLE_EQ(watts(mean, today), 300) << "the device does not have the field";
  EXPECT_DOUBLE_EQ(watts(mean + "power-instant-mw 0\n", today), 300) << "0 is no answer";
  for (const char* older :
       {TORCHLAP_FAKE_NVML_2021_LIBRARY, TORCHLAP_FAKE_NVML_UNVERSIONED_LIBRARY}) {
    EXPECT_DOUBLE_EQ(watts(mean + "power-instant-mw 420500\n", older), 300) << older;
  }
  EXPECT_DOUBLE_EQ(watts("", today), -1);
}

TEST_F(Telemetry, PowerOfTheMomentOfAMigInstanceIsThatOfItsGpu) {
  const auto nvml = machine_.Open(
      "mig-gpu GPU-1 40960 A\npower-mw 250000\npower-instant-mw 260000\nmig MIG-a 4864 A\n");
  EXPECT_DOUBLE_EQ(ReadDevice(*nvml, *nvml->DeviceOf("MIG-a"), 0).power_watts(), 260);
}

TEST_F(Telemetry, EdgesAreTheFirstAndTheLastReading) {
  auto telemetry = Make("gpu GPU-1 1 A\nenergy-mj 100 250\n", v1::TELEMETRY_EDGES);
  telemetry.Begin(kWorker);
  EXPECT_EQ(telemetry.NextSampleNs(), std::nullopt);
  Advance(10'000 * kMs);
  telemetry.End();
  const auto readings = telemetry.Take();
  ASSERT_THAT(readings, SizeIs(2));
  EXPECT_EQ(readings[0].energy_mj(), 100U);
  EXPECT_EQ(readings[1].energy_mj(), 250U);
  EXPECT_EQ(readings[1].at_ns() - readings[0].at_ns(), 10'000 * kMs);
  EXPECT_THAT(telemetry.Take(), SizeIs(0));
}

TEST_F(Telemetry, SamplesAreDueTwiceASecondBetweenTheEdges) {
  auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1980 1900 1800 1700 1600 1500\n");
  EXPECT_EQ(telemetry.NextSampleNs(), std::nullopt);
  telemetry.Begin(kWorker);
  EXPECT_THAT(telemetry.NextSampleNs(), Optional(start_ns_ + 500 * kMs));
  RunFor(1900 * kMs, &telemetry);
  telemetry.End();
  EXPECT_EQ(telemetry.NextSampleNs(), std::nullopt);
  const auto readings = telemetry.Take();
  ASSERT_THAT(readings, SizeIs(5));
  EXPECT_EQ(readings[1].at_ns(), start_ns_ + 500 * kMs);
  EXPECT_EQ(readings[3].at_ns(), start_ns_ + 1500 * kMs);
  EXPECT_EQ(readings[4].sm_mhz(), 1600U);
}

TEST_F(Telemetry, ALateSampleIsNotMadeUpFor) {
  auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1\n");
  telemetry.Begin(kWorker);
  Advance(5000 * kMs);
  telemetry.Sample();
  EXPECT_THAT(telemetry.NextSampleNs(), Optional(clock_.MonotonicNs() + 500 * kMs));
}

TEST_F(Telemetry, OffReadsNothing) {
  auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1\nuse 7 50\n", v1::TELEMETRY_OFF);
  telemetry.Begin(kWorker);
  EXPECT_EQ(telemetry.NextSampleNs(), std::nullopt);
  telemetry.End();
  EXPECT_THAT(telemetry.Take(), SizeIs(0));
  EXPECT_FALSE(telemetry.Use().tells_use);
  EXPECT_THAT(telemetry.Use().looks, IsEmpty());
}

TEST_F(Telemetry, WithoutALibraryOrTheDeviceThereIsNothingToRead) {
  DeviceTelemetry none(nullptr, "CPU-1", v1::TELEMETRY_SAMPLED, &clock_);
  auto unknown = Make("gpu GPU-1 1 A\nsm-mhz 1\n", v1::TELEMETRY_SAMPLED, "GPU-9");
  for (DeviceTelemetry* telemetry : {&none, &unknown}) {
    telemetry->Begin(kWorker);
    EXPECT_EQ(telemetry->NextSampleNs(), std::nullopt);
    telemetry->Sample();
    telemetry->End();
    EXPECT_THAT(telemetry->Take(), SizeIs(0));
  }
}

TEST_F(Telemetry, ALongRunIsThinnedOverItsWholeLength) {
  auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1\n");
  telemetry.Begin(kWorker);
  RunFor(int64_t{3} * 3600 * 1000 * kMs, &telemetry);
  telemetry.End();
  const auto readings = telemetry.Take();
  EXPECT_LE(readings.size(), DeviceTelemetry::kMaxReadings);
  EXPECT_GE(readings.size(), DeviceTelemetry::kMaxReadings / 2);
  EXPECT_EQ(readings.front().at_ns(), start_ns_);
  EXPECT_EQ(readings.back().at_ns(), clock_.MonotonicNs());
  int64_t widest_ns = 0;
  for (size_t i = 1; i < readings.size(); ++i) {
    const int64_t gap_ns = readings[i].at_ns() - readings[i - 1].at_ns();
    EXPECT_GT(gap_ns, 0);
    widest_ns = std::max(widest_ns, gap_ns);
  }
  EXPECT_LE(widest_ns, 4 * DeviceTelemetry::kIntervalNs);
}

TEST_F(Telemetry, ProcessesAreSeenAtEachLookWithTheirNames) {
  machine_.AddProcess(20, "Xorg", 1, 0);
  machine_.AddProcess(21, "python3");
  const DeviceUse use = UseOf(
      "gpu GPU-1 1 A\nprocess 20 300 graphics\nprocess 21 300 compute 2 2\n"
      "process 30 1000 compute 2 3\n",
      1400);
  EXPECT_THAT(LooksOf(use), ElementsAre(0, 500, 1000, 1400));
  ASSERT_THAT(PidsOf(use), ElementsAre(20, 21, kWorker));
  EXPECT_EQ(use.processes[0].who.name, "Xorg");
  EXPECT_EQ(use.processes[0].who.user, "root");
  EXPECT_FALSE(use.processes[0].computes);
  EXPECT_EQ(use.processes[1].who.name, "python3");
  EXPECT_TRUE(use.processes[1].computes);
  EXPECT_THAT(use.processes[1].stretches, IsEmpty());
}

TEST_F(Telemetry, AnEntryIsAStretchFromItsQuestionsBeginningToItsStamp) {
  const DeviceUse use = UseOf("gpu GPU-1 1 A\nprocess 7 1 compute\nprocess 30 1 compute\n" +
                                  Sample(-5000, 7, 90) + Sample(-1, 7, 90) + Sample(40, 7, 30) +
                                  Sample(180, 30, 95) + Sample(950, 30, 85) + Sample(700, 7, 50),
                              1200);
  EXPECT_TRUE(use.tells_use);
  EXPECT_THAT(EntriesOf(use, 7), ElementsAre(Pair(40, 0.3), Pair(700, 0.5)));
  EXPECT_THAT(EntriesOf(use, kWorker), ElementsAre(Pair(180, 0.95), Pair(950, 0.85)));
  // Each question begins at the newest stamp of the answers before it.
  EXPECT_THAT(TimesOf(use, 7), ElementsAre(Pair(0, 40), Pair(180, 700)));
  EXPECT_THAT(TimesOf(use, kWorker), ElementsAre(Pair(0, 180), Pair(180, 950)));
}

TEST_F(Telemetry, ASampleThatTheDriverTakesWhileItAnswersCounts) {
  auto telemetry =
      Make("gpu GPU-1 1 A\nprocess 7 1 compute\n" + Sample(402, 7, 60) + Sample(405, kWorker, 90));
  telemetry.Begin(kWorker);
  clock_.Advance(400 * kMs);
  // The answer is of 6 ms after the question.
  setenv("TORCHLAP_FAKE_NVML_NOW_US", std::to_string(clock_.WallNs() / 1000 + 6000).c_str(), 1);
  telemetry.Measured(start_ns_ + 100 * kMs, /*has_ended=*/true);
  EXPECT_THAT(TimesOf(telemetry.Use(), 7), ElementsAre(Pair(100, 402)));
  EXPECT_THAT(TimesOf(telemetry.Use(), kWorker), ElementsAre(Pair(100, 405)));
}

TEST_F(Telemetry, ClientsOfAnMpsServerAreNeighbours) {
  const DeviceUse use =
      UseOf("gpu GPU-1 1 A\nprocess 7 1 compute\nprocess 8 900 mps\n" + Sample(100, 8, 70), 480);
  EXPECT_THAT(PidsOf(use), ElementsAre(7, 8));
  EXPECT_THAT(EntriesOf(use, 8), ElementsAre(Pair(100, 0.7)));
}

TEST_F(Telemetry, OneAnswerIsOneEntryAProcess) {
  const DeviceUse use = UseOf("gpu GPU-1 1 A\nprocess 7 1 compute\n" + Sample(100, 7, 20) +
                                  Sample(250, 7, 60) + Sample(400, 7, 40),
                              480);
  EXPECT_THAT(EntriesOf(use, 7), ElementsAre(Pair(400, 0.4)));
  EXPECT_THAT(TimesOf(use, 7), ElementsAre(Pair(0, 400)));
}

TEST_F(Telemetry, WhatIsTooEarlyToCountIsAskedForAgainAndCountsOnce) {
  // Of one that is not listed yet nothing counts.
  const DeviceUse use = UseOf(
      "gpu GPU-1 1 A\nprocess 7 1 compute 3\n" + Sample(100, 7, 20) + Sample(700, 7, 40), 3000);
  EXPECT_THAT(EntriesOf(use, 7), ElementsAre(Pair(700, 0.3)));
}

struct NoEntry {
  int64_t ms;
  pid_t pid;
  unsigned percent;
};

TEST_F(Telemetry, GarbageIsNoEntry) {
  const std::string machine = "gpu GPU-1 1 A\nprocess 7 1 compute\n";
  const auto has_none = [&](const std::string& garbage) {
    const DeviceUse use = UseOf(machine + garbage, 1200);
    EXPECT_TRUE(use.tells_use) << garbage;
    EXPECT_THAT(PidsOf(use), ElementsAre(7)) << garbage;
    EXPECT_THAT(EntriesOf(use, 7), IsEmpty()) << garbage;
  };
  for (const auto& [ms, pid, percent] :
       {NoEntry{100, 7, 101}, {100, 7, 4'000'000'000}, {100, 4'000'000, 50}, {600'000, 7, 50}}) {
    has_none(Garbage(ms, pid, percent));
  }
  has_none("garbage 18446744073709551615 7 50\n");
  has_none("garbage 3 7 50\n");
  has_none("garbage 0 7 50\n");
  // The same at a good time.
  EXPECT_THAT(EntriesOf(UseOf(machine + Sample(100, 7, 100), 1200), 7),
              ElementsAre(Pair(100, 1.0)));
}

TEST_F(Telemetry, GarbageDoesNotHideTheEntriesThatComeAfterIt) {
  // Each would be the newest stamp that was seen; the good one is told one question later.
  for (const auto& [ms, pid, percent] : {NoEntry{480, 7, 800}, {490, 999, 50}, {900'000, 7, 50}}) {
    const std::string garbage = Garbage(ms, pid, percent);
    const DeviceUse use =
        UseOf("gpu GPU-1 1 A\nprocess 7 1 compute\n" + garbage + Sample(450, 7, 60, 3), 1200);
    EXPECT_THAT(EntriesOf(use, 7), ElementsAre(Pair(450, 0.6))) << garbage;
  }
}

TEST_F(Telemetry, WhoHasLeftSinceTheLastLookWasThere) {
  const std::string machine = "gpu GPU-1 1 A\nprocess 7 1 compute 1 2\n";
  // The second look is at 500 ms.
  EXPECT_THAT(EntriesOf(UseOf(machine + Sample(600, 7, 50, 3), 1200), 7),
              ElementsAre(Pair(600, 0.5)));
  EXPECT_THAT(EntriesOf(UseOf(machine + Sample(600, 7, 50, 4), 2000), 7), IsEmpty());
}

TEST_F(Telemetry, OurWorkerIsKnownAlsoIfItCameAndWentBetweenTwoLooks) {
  const DeviceUse use = UseOf("gpu GPU-1 1 A\nprocess 7 1 compute\n" + Sample(150, kWorker, 90) +
                                  Sample(250, kWorker + 1, 90),
                              400);
  EXPECT_THAT(PidsOf(use), ElementsAre(7, kWorker));
  EXPECT_THAT(EntriesOf(use, kWorker), ElementsAre(Pair(150, 0.9)));
}

TEST_F(Telemetry, EdgesTellOfWhatTheDriverRemembers) {
  auto telemetry = Make("gpu GPU-1 1 A\nprocess 7 1 compute\n" + Sample(700, 7, 50) +
                            Sample(900, kWorker, 50) + Sample(-1, 7, 50),
                        v1::TELEMETRY_EDGES);
  telemetry.Begin(kWorker);
  Advance(1000 * kMs);
  telemetry.End();
  const DeviceUse use = telemetry.Use();
  EXPECT_THAT(use.looks, SizeIs(2));
  EXPECT_THAT(EntriesOf(use, 7), ElementsAre(Pair(700, 0.5)));
  EXPECT_THAT(EntriesOf(use, kWorker), ElementsAre(Pair(900, 0.5)));
}

TEST_F(Telemetry, ADeviceThatTellsNoUseIsNotOneWithoutProcesses) {
  for (const bool tells : {false, true}) {
    const DeviceUse use = UseOf(
        std::string("gpu GPU-1 1 A\nprocess 7 1 compute\n") + (tells ? "use 7 0\n" : ""), 1000);
    EXPECT_EQ(use.tells_use, tells);
    EXPECT_THAT(PidsOf(use), ElementsAre(7));
  }
}

TEST_F(Telemetry, OfAMigInstanceItsOwnProcessesAreSeenAndNoUse) {
  const DeviceUse use = UseOf(
      "mig-gpu GPU-1 40960 A\nsm-mhz 1410\nmig MIG-a 4864 A\n"
      "process 10 100 compute\nmig MIG-b 4864 A\nprocess 30 200 compute\n",
      900, "MIG-b");
  EXPECT_FALSE(use.tells_use);
  EXPECT_THAT(use.looks, SizeIs(3));
  EXPECT_THAT(PidsOf(use), ElementsAre(kWorker));
}

TEST_F(Telemetry, ListsThatAreRefusedAreNoLook) {
  const DeviceUse use = UseOf(
      "gpu GPU-1 1 A\nprocess-error 4\n" + Sample(100, 7, 90) + Sample(200, kWorker, 90), 1000);
  EXPECT_THAT(use.looks, IsEmpty());
  EXPECT_THAT(PidsOf(use), ElementsAre(kWorker));
}

TEST_F(Telemetry, TheFirstMeasuredStepCutsTheStretches) {
  // Somebody who leaves before it, beside our worker, who goes on.
  auto telemetry = Make("gpu GPU-1 1 A\nprocess 7 1 compute\nprocess 30 1 compute\n" +
                        Sample(100, 7, 90) + Sample(290, 7, 90) + Sample(450, kWorker, 80) +
                        Sample(650, kWorker, 60) + Sample(900, kWorker, 50));
  telemetry.Begin(kWorker);
  RunFor(700 * kMs, &telemetry);
  // 300 ms after the start; it is told with a batch of steps.
  telemetry.Measured(start_ns_ + 300 * kMs, /*has_ended=*/false);
  telemetry.Measured(start_ns_ + 300 * kMs, /*has_ended=*/false);
  RunFor(300 * kMs, &telemetry);
  telemetry.End();
  const DeviceUse use = telemetry.Use();
  EXPECT_THAT(LooksOf(use), ElementsAre(0, 500, 700, 1000, 1000)) << "asked once";
  EXPECT_THAT(TimesOf(use, 7), ElementsAre(Pair(0, 290)));
  EXPECT_THAT(TimesOf(use, kWorker), ElementsAre(Pair(0, 450), Pair(300, 650), Pair(650, 900)));
  EXPECT_DOUBLE_EQ(EntriesOf(use, kWorker)[1].second, 0.7) << "of both since the step began";
}

TEST_F(Telemetry, AShortRunIsAskedForAsAWholeWhenItsStepsHaveEnded) {
  for (const v1::Telemetry mode : {v1::TELEMETRY_SAMPLED, v1::TELEMETRY_EDGES}) {
    start_ns_ = clock_.MonotonicNs();
    auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1\nprocess 7 1 compute\nprocess 8 1 compute\n" +
                              Sample(50, 7, 90) + Sample(110, 8, 40) + Sample(250, 8, 60),
                          mode);
    telemetry.Begin(kWorker);
    Advance(400 * kMs);
    telemetry.Measured(start_ns_ + 100 * kMs, /*has_ended=*/true);
    telemetry.Measured(start_ns_ + 100 * kMs, /*has_ended=*/true);
    Advance(90 * kMs);
    telemetry.End();
    const DeviceUse use = telemetry.Use();
    EXPECT_THAT(LooksOf(use), ElementsAre(0, 400, 490));
    EXPECT_THAT(TimesOf(use, 7), IsEmpty()) << "gone before the steps";
    EXPECT_THAT(TimesOf(use, 8), ElementsAre(Pair(100, 250)));
    EXPECT_THAT(EntriesOf(use, 8), ElementsAre(Pair(250, 0.5)));
    const auto readings = telemetry.Take();
    ASSERT_THAT(readings, SizeIs(3));
    EXPECT_EQ(readings[1].at_ns(), start_ns_ + 400 * kMs);
  }
}

TEST_F(Telemetry, WithEdgesNobodyAsksWhileStepsAreMeasured) {
  auto telemetry = Make("gpu GPU-1 1 A\nuse 7 0\n", v1::TELEMETRY_EDGES);
  telemetry.Begin(kWorker);
  Advance(700 * kMs);
  telemetry.Measured(start_ns_ + 100 * kMs, /*has_ended=*/false);
  EXPECT_THAT(LooksOf(telemetry.Use()), ElementsAre(0));
  Advance(700 * kMs);
  telemetry.Measured(start_ns_ + 100 * kMs, /*has_ended=*/true);
  EXPECT_THAT(LooksOf(telemetry.Use()), ElementsAre(0, 1400));
}

TEST_F(Telemetry, NoQuestionReachesFurtherBackThanTheDriverRemembers) {
  auto telemetry =
      Make("gpu GPU-1 1 A\nprocess 7 1 compute\n" + Sample(20'000, 7, 90) + Sample(55'000, 7, 40),
           v1::TELEMETRY_EDGES);
  telemetry.Begin(kWorker);
  Advance(60'000 * kMs);
  telemetry.Measured(start_ns_ + 1000 * kMs, /*has_ended=*/true);
  EXPECT_THAT(TimesOf(telemetry.Use(), 7), ElementsAre(Pair(50'000, 55'000)));
  EXPECT_THAT(EntriesOf(telemetry.Use(), 7), ElementsAre(Pair(55'000, 0.4)));
}

TEST_F(Telemetry, StepsOfAnotherClockAreNoNews) {
  auto telemetry = Make("gpu GPU-1 1 A\nprocess 7 1 compute\n" + Sample(100, 7, 90));
  telemetry.Measured(start_ns_, /*has_ended=*/true);
  telemetry.Begin(kWorker);
  Advance(200 * kMs);
  for (const int64_t ms : {-1000, -1, 201, 90'000}) {
    telemetry.Measured(start_ns_ + ms * kMs, /*has_ended=*/true);
  }
  EXPECT_THAT(LooksOf(telemetry.Use()), ElementsAre(0));
  EXPECT_THAT(EntriesOf(telemetry.Use(), 7), IsEmpty());
}

TEST_F(Telemetry, ALookTellsOfMemoryThatNobodyListedHolds) {
  const auto last_look = [&](const std::string& machine) {
    const DeviceUse use = UseOf(machine, 100);
    EXPECT_FALSE(use.looks.empty());
    return use.looks.empty() ? ProcessLook() : use.looks.back();
  };
  const std::string gpu = "gpu GPU-1 40960 A\nreserved-mib 300\n";
  const ProcessLook look = last_look(gpu + "used-mib 1000\nprocess 30 400 compute\n");
  EXPECT_EQ(look.processes, 1U);
  EXPECT_THAT(look.hidden_bytes, Optional(600 * kMib));
  EXPECT_THAT(last_look(gpu + "used-mib 0\nprocess 30 400 compute\n").hidden_bytes, Optional(0U));
  EXPECT_EQ(last_look(gpu + "used-mib 1000\nprocess 30 na compute\n").hidden_bytes, std::nullopt);
}

TEST_F(Telemetry, SaysWhetherPidsCanBeThoseOfOthers) {
  EXPECT_TRUE(UseOf("gpu GPU-1 1 A\n", 100).has_own_pids);
  machine_.EnterNamespace("pid:[4026532266]");
  EXPECT_FALSE(UseOf("gpu GPU-1 1 A\n", 100).has_own_pids);
}

TEST_F(Telemetry, ErrorsOfTheGpuAreTakenAtTheEnd) {
  auto telemetry = Make("gpu GPU-1 1 A\nxid 31\nxid 43\ngpu GPU-2 1 A\nxid 79\n");
  telemetry.Begin(kWorker);
  EXPECT_THAT(telemetry.xids(), IsEmpty());
  telemetry.End();
  EXPECT_THAT(telemetry.xids(), ElementsAre(31, 43));
}

TEST_F(Telemetry, ErrorsOfAMigInstanceAreItsOwnAndTheWholeGpus) {
  for (const auto& [uuid, own] : {std::pair("MIG-a", 31U), std::pair("MIG-b", 13U)}) {
    auto telemetry = Make(
        "mig-gpu GPU-1 40960 A\nxid 31 7\nxid 48\nxid 13 9\nmig MIG-a 4864 A\ninstance 7\n"
        "mig MIG-b 4864 A\ninstance 9\n",
        v1::TELEMETRY_EDGES, uuid);
    telemetry.Begin(kWorker);
    telemetry.End();
    EXPECT_THAT(telemetry.xids(), testing::UnorderedElementsAre(48U, own)) << uuid;
  }
}

TEST_F(Telemetry, OldLibrariesThatTellOfNoErrorsAreNotAskedForThem) {
  auto nvml = machine_.Open("driver 340.1\ngpu GPU-1 1 A\nxid 31\n",
                            TORCHLAP_FAKE_NVML_UNVERSIONED_LIBRARY);
  DeviceTelemetry telemetry(std::move(nvml), "GPU-1", v1::TELEMETRY_EDGES, &clock_,
                            machine_.root());
  telemetry.Begin(kWorker);
  telemetry.End();
  EXPECT_THAT(telemetry.xids(), IsEmpty());
}

TEST_F(Telemetry, AGpuThatIsLostGivesNoReadings) {
  auto telemetry = Make("gpu GPU-1 0 A\nsm-mhz 1\ngone 15\n");
  telemetry.Begin(kWorker);
  telemetry.End();
  EXPECT_THAT(telemetry.Take(), SizeIs(0));
}

}  // namespace
}  // namespace torchlap::host
