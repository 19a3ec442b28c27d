#include "server/measure/device_summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace torchlap::measure {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Ten steps of `step_ns` one after the other from 100 s on, the first two warm-up.
v1::SampleBlock Steps(int64_t step_ns, uint32_t warmup = 2) {
  v1::SampleBlock samples;
  samples.set_warmup_steps(warmup);
  for (int64_t i = 0; i < 10; ++i) {
    samples.add_start_ns(100 * kSecond + i * step_ns);
    samples.add_step_ns(step_ns);
  }
  return samples;
}

v1::DeviceReading* Add(double at_s, v1::Readings* readings) {
  v1::DeviceReading* reading = readings->add_device();
  reading->set_at_ns(static_cast<int64_t>(at_s * 1e9));
  return reading;
}

// At each second the power of its place; the counter goes on as that power says.
v1::Readings WithCounter(double from_s, const std::vector<double>& watts) {
  v1::Readings readings;
  double millijoules = 5e6;
  for (size_t i = 0; i < watts.size(); ++i) {
    if (i > 0) millijoules += (watts[i] + watts[i - 1]) / 2 * 1e3;
    v1::DeviceReading* reading = Add(from_s + static_cast<double>(i), &readings);
    reading->set_power_watts(watts[i]);
    reading->set_energy_mj(static_cast<uint64_t>(millijoules));
  }
  return readings;
}

v1::Run SomeRun() {
  v1::Run run;
  run.set_device_uuid("GPU-1");
  v1::TransformerLm& model = *run.mutable_workload()->mutable_transformer_lm();
  model.set_batch_size(4);
  model.set_context_length(250);
  return run;
}

v1::DeviceSummary Summary(const v1::SampleBlock& samples, const v1::Readings& readings,
                          v1::Run run = SomeRun()) {
  SummariseDevice(samples, readings, &run);
  return run.device_summary();
}

TEST(DeviceSummary, EnergyIsThatOfTheCounterOverTheMeasuredStepsAlone) {
  // Measured from 102 to 110 s; what the device took before and after would be far more.
  const auto readings =
      WithCounter(99.5, {900, 900, 900, 300, 300, 300, 300, 300, 300, 300, 300, 900, 900});
  const v1::DeviceSummary summary = Summary(Steps(kSecond), readings);
  EXPECT_EQ(summary.energy_source(), v1::ENERGY_SOURCE_COUNTER);
  EXPECT_NEAR(summary.energy_per_step_j(), 300, 1e-6);
  EXPECT_NEAR(summary.energy_per_token_mj(), 300, 1e-6) << "1,000 tokens a step";
}

TEST(DeviceSummary, TheCounterIsBelievedMoreThanThePowerReadings) {
  v1::Readings readings = WithCounter(102.5, {300, 300, 300, 300});
  for (v1::DeviceReading& reading : *readings.mutable_device()) reading.set_power_watts(100);
  EXPECT_NEAR(Summary(Steps(kSecond), readings).energy_per_step_j(), 300, 1e-6);
}

TEST(DeviceSummary, WithoutACounterPowerIsIntegratedAndMarked) {
  v1::Readings readings;
  // Not evenly spaced: 200 W for a second, then a ramp over three to 400 W.
  Add(103, &readings)->set_power_watts(200);
  Add(104, &readings)->set_power_watts(200);
  Add(107, &readings)->set_power_watts(400);
  const v1::DeviceSummary summary = Summary(Steps(kSecond), readings);
  EXPECT_EQ(summary.energy_source(), v1::ENERGY_SOURCE_INTEGRATED);
  EXPECT_NEAR(summary.power_mean_watts(), 275, 1e-9);
  EXPECT_NEAR(summary.energy_per_step_j(), 275, 1e-9);
  EXPECT_EQ(summary.power_peak_watts(), 400);
}

TEST(DeviceSummary, ACounterThatStandsStillOrWasSetBackIsNone) {
  for (const std::vector<uint64_t>& counts : {std::vector<uint64_t>{7, 7, 7}, {900, 5, 6}}) {
    v1::Readings readings;
    for (size_t i = 0; i < counts.size(); ++i) {
      v1::DeviceReading* reading = Add(103.0 + static_cast<double>(i), &readings);
      reading->set_power_watts(150);
      reading->set_energy_mj(counts[i]);
    }
    const v1::DeviceSummary summary = Summary(Steps(kSecond), readings);
    EXPECT_EQ(summary.energy_source(), v1::ENERGY_SOURCE_INTEGRATED);
    EXPECT_NEAR(summary.energy_per_step_j(), 150, 1e-9);
  }
}

TEST(DeviceSummary, GapsBetweenStepsCostEnergyToo) {
  v1::SampleBlock samples = Steps(kSecond);
  for (int i = 0; i < samples.step_ns_size(); ++i) samples.set_step_ns(i, kSecond / 2);
  // 8 steps from 102 to 109.5 s.
  const v1::DeviceSummary summary = Summary(samples, WithCounter(102.25, {200, 200, 200, 200}));
  EXPECT_NEAR(summary.energy_per_step_j(), 200 * 7.5 / 8, 1e-6);
}

TEST(DeviceSummary, OneReadingAmongTheStepsHasAPowerAndNoEnergy) {
  // Measured from 100.04 to 100.2 s.
  v1::Readings readings;
  Add(99, &readings)->set_power_watts(60);
  v1::DeviceReading* inside = Add(100.1, &readings);
  inside->set_power_watts(320);
  inside->set_energy_mj(77);
  inside->set_sm_mhz(1980);
  inside->set_temperature_celsius(55);
  Add(101, &readings)->set_power_watts(60);
  const v1::DeviceSummary summary = Summary(Steps(kSecond / 50), readings);
  EXPECT_EQ(summary.power_mean_watts(), 320);
  EXPECT_EQ(summary.power_peak_watts(), 320);
  EXPECT_EQ(summary.sm_clock_mean_mhz(), 1980);
  EXPECT_EQ(summary.temperature_peak_celsius(), 55);
  EXPECT_FALSE(summary.has_energy_per_step_j());
  EXPECT_FALSE(summary.has_energy_per_token_mj());
  EXPECT_EQ(summary.energy_source(), v1::ENERGY_SOURCE_UNSPECIFIED);
}

TEST(DeviceSummary, ReadingsCloseTogetherSayNothingOfEnergy) {
  for (const auto& [apart_s, known] :
       {std::pair(0.5, false), std::pair(1.99, false), std::pair(2.0, true)}) {
    v1::Readings readings;
    Add(103, &readings)->set_power_watts(100);
    Add(103 + apart_s, &readings)->set_power_watts(100);
    EXPECT_EQ(Summary(Steps(kSecond), readings).has_energy_per_step_j(), known) << apart_s;
  }
}

// A counter of 400 W that is renewed every `tick_s`, the first time `phase_s` after 100 s.
uint64_t CountAt(double at_s, double tick_s, double phase_s) {
  const double renewed_s = std::floor((at_s - 100 - phase_s) / tick_s) * tick_s + phase_s;
  return static_cast<uint64_t>(1e9 + renewed_s * 400e3);
}

TEST(DeviceSummary, TheTickOfTheCounterMakesNoMoreThan5PercentOfTheEnergy) {
  double worst_ratio = 0;
  for (const double tick_s : {0.02, 0.1}) {
    for (int i = 0; i < 20; ++i) {
      v1::Readings readings;
      for (const double at_s : {103.0, 103.51, 104.02, 105.03}) {
        Add(at_s, &readings)->set_energy_mj(CountAt(at_s, tick_s, tick_s * i / 20));
      }
      const double joules = Summary(Steps(kSecond), readings).energy_per_step_j();
      worst_ratio = std::max(worst_ratio, std::abs(joules / 400 - 1));
    }
  }
  EXPECT_LE(worst_ratio, 0.05);
  EXPECT_GT(worst_ratio, 0.02) << "the made-up counter ticks";
}

TEST(DeviceSummary, AShortStretchHasAPowerAndNoEnergyOfTheCounter) {
  const v1::DeviceSummary summary =
      Summary(Steps(kSecond / 4), WithCounter(100.6, {300, 300}));  // measured: 100.5 to 102.5 s
  EXPECT_EQ(summary.power_mean_watts(), 300);
  EXPECT_FALSE(summary.has_energy_per_step_j());
  EXPECT_FALSE(summary.has_energy_per_token_mj());
}

TEST(DeviceSummary, ClocksAndTemperatureAreMeansByTimeAndPeaks) {
  v1::Readings readings;
  const std::vector<std::pair<double, uint32_t>> clocks = {
      {102.5, 1000}, {103.5, 2000}, {106.5, 2000}};
  for (const auto& [at_s, mhz] : clocks) {
    v1::DeviceReading* reading = Add(at_s, &readings);
    reading->set_sm_mhz(mhz);
    reading->set_temperature_celsius(mhz / 40);
  }
  const v1::DeviceSummary summary = Summary(Steps(kSecond), readings);
  EXPECT_NEAR(summary.sm_clock_mean_mhz(), (1500 + 3 * 2000) / 4.0, 1e-9);
  EXPECT_EQ(summary.sm_clock_peak_mhz(), 2000);
  EXPECT_NEAR(summary.temperature_mean_celsius(), (37.5 + 3 * 50) / 4, 1e-9);
  EXPECT_EQ(summary.temperature_peak_celsius(), 50);
  EXPECT_FALSE(summary.has_power_mean_watts());
}

TEST(DeviceSummary, OfAMigInstanceThereIsNoEnergyAsThePowerIsThatOfTheWholeGpu) {
  v1::Run run = SomeRun();
  run.set_device_uuid("MIG-1");
  const auto summary = Summary(Steps(kSecond), WithCounter(102.5, {300, 300, 300}), run);
  EXPECT_EQ(summary.power_mean_watts(), 300);
  EXPECT_FALSE(summary.has_energy_per_step_j());
}

TEST(DeviceSummary, OfACalibrationThereIsNoEnergyOfAStep) {
  v1::Run run = SomeRun();
  run.mutable_workload()->mutable_calibration();
  const auto summary = Summary(Steps(kSecond), WithCounter(102.5, {300, 300, 300}), run);
  EXPECT_EQ(summary.power_peak_watts(), 300);
  EXPECT_FALSE(summary.has_energy_per_step_j());
}

TEST(DeviceSummary, WithoutAMeasuredStepOrAReadingAmongThemNothingIsSet) {
  v1::Run run = SomeRun();
  run.mutable_device_summary()->set_power_mean_watts(1);
  SummariseDevice(Steps(kSecond, 10), WithCounter(102.5, {300, 300}), &run);
  EXPECT_FALSE(run.has_device_summary()) << "warm-up alone";
  SummariseDevice({}, WithCounter(102.5, {300, 300}), &run);
  EXPECT_FALSE(run.has_device_summary());
  v1::SampleBlock without_starts = Steps(kSecond);
  without_starts.clear_start_ns();
  SummariseDevice(without_starts, WithCounter(102.5, {300, 300}), &run);
  EXPECT_FALSE(run.has_device_summary());
  SummariseDevice(Steps(kSecond), WithCounter(90, {300, 300}), &run);
  EXPECT_FALSE(run.has_device_summary());
}

v1::Run Launch(double joules, v1::EnergySource source, double mean_watts, double peak_watts) {
  v1::Run run;
  v1::DeviceSummary& summary = *run.mutable_device_summary();
  summary.set_energy_per_step_j(joules);
  summary.set_energy_per_token_mj(joules / 2);
  summary.set_energy_source(source);
  summary.set_power_mean_watts(mean_watts);
  summary.set_power_peak_watts(peak_watts);
  summary.set_sm_clock_mean_mhz(mean_watts * 10);
  summary.set_sm_clock_peak_mhz(peak_watts * 10);
  summary.set_temperature_mean_celsius(mean_watts / 10);
  summary.set_temperature_peak_celsius(peak_watts / 10);
  return run;
}

TEST(PoolDeviceSummaries, GivesMeansAndTheLargestPeaks) {
  v1::Run row;
  PoolDeviceSummaries({Launch(10, v1::ENERGY_SOURCE_COUNTER, 200, 310),
                       Launch(14, v1::ENERGY_SOURCE_COUNTER, 260, 290)},
                      &row);
  const v1::DeviceSummary& summary = row.device_summary();
  EXPECT_EQ(summary.energy_per_step_j(), 12);
  EXPECT_EQ(summary.energy_per_token_mj(), 6);
  EXPECT_EQ(summary.energy_source(), v1::ENERGY_SOURCE_COUNTER);
  EXPECT_EQ(summary.power_mean_watts(), 230);
  EXPECT_EQ(summary.power_peak_watts(), 310);
  EXPECT_EQ(summary.sm_clock_mean_mhz(), 2300);
  EXPECT_EQ(summary.sm_clock_peak_mhz(), 3100);
  EXPECT_EQ(summary.temperature_mean_celsius(), 23);
  EXPECT_EQ(summary.temperature_peak_celsius(), 31);
}

TEST(PoolDeviceSummaries, OneIntegratedEnergyMarksTheRowAndOneThatIsUnknownIsLeftOut) {
  v1::Run row = Launch(1, v1::ENERGY_SOURCE_COUNTER, 1, 1);
  PoolDeviceSummaries({Launch(10, v1::ENERGY_SOURCE_COUNTER, 200, 310), v1::Run(),
                       Launch(20, v1::ENERGY_SOURCE_INTEGRATED, 200, 310)},
                      &row);
  EXPECT_EQ(row.device_summary().energy_per_step_j(), 15);
  EXPECT_EQ(row.device_summary().energy_source(), v1::ENERGY_SOURCE_INTEGRATED);
  PoolDeviceSummaries({v1::Run(), v1::Run()}, &row);
  EXPECT_FALSE(row.has_device_summary());
}

}  // namespace
}  // namespace torchlap::measure
