// A recording of a GPU (tests/gpu/raw_counters.py), told again by the fake NVML.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/host/cuda_devices.h"
#include "server/host/device_telemetry.h"
#include "server/host/foreign_work.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr int64_t kMs = 1'000'000;
constexpr uint64_t kMib = 1048576;
// Of the made-up recording: a run, a process that comes for the second half of it, and a desktop.
constexpr pid_t kWorker = 4711;
constexpr pid_t kNeighbour = 5210;
constexpr pid_t kDesktop = 900;

const std::string kMachine = "gpu GPU-1 81559 NVIDIA H100 80GB HBM3\nrecording " TORCHLAP_GOLDEN_DIR
                             "/nvml/recording.jsonl\n";

class RecordedGpu : public testing::Test {
 protected:
  RecordedGpu() { TellTime(); }
  ~RecordedGpu() override { unsetenv("TORCHLAP_FAKE_NVML_NOW_US"); }

  void TellTime() {
    setenv("TORCHLAP_FAKE_NVML_NOW_US", std::to_string(clock_.WallNs() / 1000).c_str(), 1);
  }
  void Advance(int64_t ms) {
    clock_.Advance(ms * kMs);
    TellTime();
  }

  // Reads at 0, 510, 1010, 1510 and 1610 ms; a look was recorded every 250 ms and a little.
  void Run(DeviceTelemetry* telemetry) {
    telemetry->Begin(kWorker);
    for (const int ms : {510, 500, 500}) {
      Advance(ms);
      telemetry->Sample();
    }
    Advance(100);
    telemetry->End();
  }

  // `(ms after the start, percent)`.
  std::vector<std::pair<int64_t, int>> EntriesOf(const DeviceUse& use, pid_t pid) const {
    std::vector<std::pair<int64_t, int>> entries;
    for (const ProcessUse& process : use.processes) {
      if (process.pid != pid) continue;
      for (const UseStretch& stretch : process.stretches) {
        entries.emplace_back((stretch.at_ns - start_ns_) / kMs,
                             static_cast<int>(std::lround(stretch.sm_ratio * 100)));
      }
    }
    return entries;
  }

  FakeMachine machine_;
  SettableClock clock_;
  const int64_t start_ns_ = clock_.MonotonicNs();
};

TEST_F(RecordedGpu, ReadingsAreThoseOfTheirTime) {
  DeviceTelemetry telemetry(machine_.Open(kMachine), "GPU-1", v1::TELEMETRY_SAMPLED, &clock_,
                            machine_.root());
  Run(&telemetry);
  const auto readings = telemetry.Take();
  ASSERT_THAT(readings, SizeIs(5));
  std::vector<unsigned> clocks;
  std::vector<uint64_t> joules;
  for (const v1::DeviceReading& reading : readings) {
    clocks.push_back(reading.sm_mhz());
    joules.push_back((reading.energy_mj() - readings.front().energy_mj()) / 1000);
    EXPECT_EQ(reading.thermal_violation_ns(), 1000U);
  }
  EXPECT_THAT(clocks, ElementsAre(345, 1980, 1740, 1980, 1980));
  EXPECT_THAT(joules, ElementsAre(0, 190, 535, 850, 850));
  EXPECT_EQ(readings[2].throttle_reasons(), throttle::kSoftwarePowerCap);
  EXPECT_EQ(readings[2].power_violation_ns() - readings[1].power_violation_ns(), 360'000'000U);
  EXPECT_DOUBLE_EQ(readings[2].power_watts(), 700.1);
  EXPECT_DOUBLE_EQ(readings[2].utilisation_ratio(), 1);
  EXPECT_EQ(readings[2].used_bytes(), 14600 * kMib);
  // The recorded GPU does not support this counter.
  EXPECT_FALSE(readings[2].has_hardware_violation_ns());
}

TEST_F(RecordedGpu, EachAnswerHasOneEntryAProcessAndGarbageNeverCounts) {
  DeviceTelemetry telemetry(machine_.Open(kMachine), "GPU-1", v1::TELEMETRY_SAMPLED, &clock_,
                            machine_.root());
  Run(&telemetry);
  const DeviceUse use = telemetry.Use();
  EXPECT_TRUE(use.tells_use);
  // Two entries of the recording were told between two questions.
  EXPECT_THAT(EntriesOf(use, kWorker), ElementsAre(Pair(430, 88), Pair(900, 91), Pair(1430, 91)));
  EXPECT_THAT(EntriesOf(use, kNeighbour), ElementsAre(Pair(980, 71), Pair(1150, 64)));
  std::vector<std::pair<pid_t, bool>> found;
  for (const ProcessUse& process : use.processes) found.emplace_back(process.pid, process.computes);
  EXPECT_THAT(found,
              ElementsAre(Pair(kDesktop, false), Pair(kWorker, true), Pair(kNeighbour, true)));
}

TEST_F(RecordedGpu, ARecordingBeginsWhenTheLibraryIsOpened) {
  Advance(60'000);
  const auto nvml = machine_.Open(kMachine);
  const NvmlDevice device = *nvml->DeviceOf("GPU-1");
  EXPECT_EQ(nvml->SmClockMhz(device).value_or(0), 345U);
  Advance(1260);
  EXPECT_EQ(nvml->SmClockMhz(device).value_or(0), 1965U);
  // The last look stays.
  Advance(3'600'000);
  EXPECT_EQ(nvml->SmClockMhz(device).value_or(0), 1980U);
  EXPECT_THAT(nvml->ProcessUse(device, 0).value(), SizeIs(2)) << "one of each process";
}

TEST_F(RecordedGpu, WhoComputesIsSeenBeforeARun) {
  const auto nvml = machine_.Open(kMachine);
  const auto others = [&] {
    const auto work =
        ForeignWorkOn(*nvml, "GPU-1", clock_.WallNs(), /*last_worker=*/kWorker, machine_.root());
    std::vector<pid_t> pids;
    for (const ForeignProcess& process : work->computing) pids.push_back(process.pid);
    return pids;
  };
  EXPECT_THAT(others(), IsEmpty());
  Advance(1300);
  EXPECT_THAT(others(), ElementsAre(kNeighbour));
  Advance(300);
  EXPECT_THAT(others(), IsEmpty());
}

TEST_F(RecordedGpu, WhatWasNotRecordedIsToldByDirectives) {
  const auto answer =
      AskNvml(machine_.Open(kMachine + "capability 9 0\nprocess 7 1 compute\n"), machine_.root());
  ASSERT_THAT(answer.devices, SizeIs(1));
  EXPECT_EQ(answer.devices[0].model, "NVIDIA H100 80GB HBM3");
  const auto nvml = machine_.Open(kMachine + "power-limit-mw 650000\nprocess 7 1 compute\n");
  const NvmlDevice device = *nvml->DeviceOf("GPU-1");
  EXPECT_EQ(nvml->Settings(device).power_limit_mw, 650000U);
  // It was recorded that nobody computes.
  EXPECT_THAT(nvml->ComputeProcesses(device).value(), IsEmpty());
  EXPECT_TRUE(absl::IsUnimplemented(nvml->SlowdownCelsius(device).status()));
}

}  // namespace
}  // namespace torchlap::host
