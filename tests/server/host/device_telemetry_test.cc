#include "server/host/device_telemetry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

using testing::Optional;
using testing::SizeIs;

constexpr int64_t kMs = 1'000'000;
constexpr uint64_t kMib = 1048576;

class Telemetry : public testing::Test {
 protected:
  DeviceTelemetry Make(const std::string& machine, v1::Telemetry mode = v1::TELEMETRY_SAMPLED,
                       const std::string& uuid = "GPU-1") {
    return DeviceTelemetry(
        machine_.Open(machine), uuid, mode, [this] { return now_ns_; }, machine_.root());
  }
  // As its owner does: sleeps until it is due.
  void RunFor(int64_t duration_ns, DeviceTelemetry* telemetry) {
    const int64_t end_ns = now_ns_ + duration_ns;
    while (telemetry->NextSampleNs() && *telemetry->NextSampleNs() <= end_ns) {
      now_ns_ = *telemetry->NextSampleNs();
      telemetry->Sample();
    }
    now_ns_ = end_ns;
  }

  FakeMachine machine_;
  int64_t now_ns_ = 1000 * kMs;
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
  const auto nvml = machine_.Open("mig-gpu GPU-1 40960 A\nmig MIG-a 4864 A\nused-mib 0\n");
  const v1::DeviceReading reading = ReadDevice(*nvml, *nvml->DeviceOf("MIG-a"), 42);
  EXPECT_TRUE(reading.has_used_bytes());
  EXPECT_EQ(reading.used_bytes(), 0U);
  EXPECT_FALSE(reading.has_sm_mhz() || reading.has_power_watts() ||
               reading.has_temperature_celsius() || reading.has_utilisation_ratio() ||
               reading.has_throttle_reasons() || reading.has_energy_mj() ||
               reading.has_thermal_violation_ns() || reading.has_power_violation_ns() ||
               reading.has_hardware_violation_ns());
}

TEST_F(Telemetry, OldLibrariesTellThrottlingByItsOldName) {
  const auto nvml =
      machine_.Open("driver 470.1\ngpu GPU-1 1 A\nthrottle 8\n", TORCHLAP_FAKE_NVML_2021_LIBRARY);
  EXPECT_EQ(ReadDevice(*nvml, *nvml->DeviceOf("GPU-1"), 0).throttle_reasons(),
            throttle::kHardwareSlowdown);
}

TEST_F(Telemetry, EdgesAreTheFirstAndTheLastReading) {
  auto telemetry = Make("gpu GPU-1 1 A\nenergy-mj 100 250\n", v1::TELEMETRY_EDGES);
  telemetry.Begin();
  EXPECT_EQ(telemetry.NextSampleNs(), std::nullopt);
  now_ns_ += 10'000 * kMs;
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
  telemetry.Begin();
  EXPECT_THAT(telemetry.NextSampleNs(), Optional(1500 * kMs));
  RunFor(1900 * kMs, &telemetry);
  telemetry.End();
  EXPECT_EQ(telemetry.NextSampleNs(), std::nullopt);
  const auto readings = telemetry.Take();
  ASSERT_THAT(readings, SizeIs(5));
  EXPECT_EQ(readings[1].at_ns(), 1500 * kMs);
  EXPECT_EQ(readings[3].at_ns(), 2500 * kMs);
  EXPECT_EQ(readings[4].sm_mhz(), 1600U);
}

TEST_F(Telemetry, ALateSampleIsNotMadeUpFor) {
  auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1\n");
  telemetry.Begin();
  now_ns_ += 5000 * kMs;
  telemetry.Sample();
  EXPECT_THAT(telemetry.NextSampleNs(), Optional(now_ns_ + 500 * kMs));
}

TEST_F(Telemetry, OffReadsNothing) {
  auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1\nuse 7 50\n", v1::TELEMETRY_OFF);
  telemetry.Begin();
  EXPECT_EQ(telemetry.NextSampleNs(), std::nullopt);
  telemetry.End();
  EXPECT_THAT(telemetry.Take(), SizeIs(0));
  EXPECT_EQ(telemetry.Processes(), std::nullopt);
}

TEST_F(Telemetry, WithoutALibraryOrTheDeviceThereIsNothingToRead) {
  DeviceTelemetry none(nullptr, "CPU-1", v1::TELEMETRY_SAMPLED, [] { return int64_t{0}; });
  auto unknown = Make("gpu GPU-1 1 A\nsm-mhz 1\n", v1::TELEMETRY_SAMPLED, "GPU-9");
  for (DeviceTelemetry* telemetry : {&none, &unknown}) {
    telemetry->Begin();
    EXPECT_EQ(telemetry->NextSampleNs(), std::nullopt);
    telemetry->Sample();
    telemetry->End();
    EXPECT_THAT(telemetry->Take(), SizeIs(0));
  }
}

TEST_F(Telemetry, ALongRunIsThinnedOverItsWholeLength) {
  auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1\n");
  const int64_t began_ns = now_ns_;
  telemetry.Begin();
  RunFor(int64_t{3} * 3600 * 1000 * kMs, &telemetry);
  telemetry.End();
  const auto readings = telemetry.Take();
  EXPECT_LE(readings.size(), DeviceTelemetry::kMaxReadings);
  EXPECT_GE(readings.size(), DeviceTelemetry::kMaxReadings / 2);
  EXPECT_EQ(readings.front().at_ns(), began_ns);
  EXPECT_EQ(readings.back().at_ns(), now_ns_);
  int64_t widest_ns = 0;
  for (size_t i = 1; i < readings.size(); ++i) {
    const int64_t gap_ns = readings[i].at_ns() - readings[i - 1].at_ns();
    EXPECT_GT(gap_ns, 0);
    widest_ns = std::max(widest_ns, gap_ns);
  }
  EXPECT_LE(widest_ns, 4 * DeviceTelemetry::kIntervalNs);
}

TEST_F(Telemetry, ADesktopThatOnlyResidesUsesNothing) {
  machine_.AddProcess(20, "Xorg");
  machine_.AddProcess(21, "python3");
  auto telemetry = Make(
      "gpu GPU-1 1 A\nprocess 20 300 graphics\nprocess 21 300 compute\nuse 20 0\nuse 21 0 80 40\n",
      v1::TELEMETRY_EDGES);
  telemetry.Begin();
  now_ns_ += 1000 * kMs;
  telemetry.End();
  const auto processes = telemetry.Processes();
  ASSERT_THAT(processes, Optional(SizeIs(1)));
  EXPECT_EQ(processes->at(0).pid, 21);
  EXPECT_EQ(processes->at(0).who.name, "python3");
  EXPECT_DOUBLE_EQ(processes->at(0).sm_ratio, 0.8);
}

TEST_F(Telemetry, UseIsWeightedByTheTimeThatItLasted) {
  auto telemetry = Make("gpu GPU-1 1 A\nsm-mhz 1\nuse 7 10 90 0\nuse 8 0 0 50\n");
  telemetry.Begin();  // 10 % of 7 was before
  RunFor(500 * kMs, &telemetry);
  now_ns_ += 1000 * kMs;
  telemetry.End();
  const auto processes = telemetry.Processes();
  ASSERT_THAT(processes, Optional(SizeIs(2)));
  EXPECT_EQ(processes->at(0).pid, 8);
  EXPECT_NEAR(processes->at(0).sm_ratio, 0.5 * 1000 / 1500, 1e-12);
  EXPECT_NEAR(processes->at(1).sm_ratio, 0.9 * 500 / 1500, 1e-12);
}

TEST_F(Telemetry, ADeviceThatTellsNoUseIsNotOneWithoutProcesses) {
  for (const bool tells : {false, true}) {
    auto telemetry =
        Make(tells ? "gpu GPU-1 1 A\nuse 7 0\n" : "gpu GPU-1 1 A\n", v1::TELEMETRY_EDGES);
    telemetry.Begin();
    now_ns_ += 1000 * kMs;
    telemetry.End();
    EXPECT_EQ(telemetry.Processes().has_value(), tells);
  }
}

TEST_F(Telemetry, AGpuThatIsLostGivesNoReadings) {
  auto telemetry = Make("gpu GPU-1 0 A\nsm-mhz 1\ngone 15\n");
  telemetry.Begin();
  telemetry.End();
  EXPECT_THAT(telemetry.Take(), SizeIs(0));
}

}  // namespace
}  // namespace torchlap::host
