#include "server/measure/device_busy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace torchlap::measure {
namespace {

using testing::DoubleNear;
using testing::Optional;

constexpr int64_t kMs = 1'000'000;

// Steps of 100 ms, the first `warmup` of them warm-up.
v1::SampleBlock Steps(int count, uint32_t warmup) {
  v1::SampleBlock samples;
  samples.set_warmup_steps(warmup);
  for (int i = 0; i < count; ++i) {
    samples.add_start_ns(i * 100 * kMs);
    samples.add_step_ns(100 * kMs);
  }
  return samples;
}

v1::Readings Utilisation(const std::vector<std::pair<int64_t, double>>& readings) {
  v1::Readings all;
  for (const auto& [at_ms, ratio] : readings) {
    v1::DeviceReading* reading = all.add_device();
    reading->set_at_ns(at_ms * kMs);
    if (ratio >= 0) reading->set_utilisation_ratio(ratio);
  }
  return all;
}

TEST(DeviceBusyRatio, IsTheDevicesTimeOverTheHosts) {
  v1::SampleBlock samples = Steps(4, 2);
  for (const int64_t ms : {90, 90, 40, 60}) samples.add_device_step_ns(ms * kMs);
  EXPECT_THAT(DeviceBusyRatio(samples, {}), Optional(DoubleNear(0.5, 1e-9)));
}

TEST(DeviceBusyRatio, OfPhasesThatWereTimedApartIsTheirSum) {
  v1::SampleBlock samples = Steps(3, 1);
  for (int i = 0; i < 3; ++i) {
    samples.add_device_forward_ns(20 * kMs);
    samples.add_device_loss_ns(1 * kMs);
    samples.add_device_backward_ns(40 * kMs);
    samples.add_device_step_ns(99 * kMs);
  }
  EXPECT_THAT(DeviceBusyRatio(samples, {}), Optional(DoubleNear(0.61, 1e-9)));
}

TEST(DeviceBusyRatio, IsNoMoreThanTheUtilisationOfTheMeasuredSteps) {
  v1::SampleBlock samples = Steps(40, 10);  // measured: 1 s to 4 s
  for (int i = 0; i < 40; ++i) samples.add_device_step_ns(99 * kMs);
  const auto warmup_and_after = Utilisation({{500, 0.1}, {1500, 0.1}, {4100, 0.1}});
  EXPECT_THAT(DeviceBusyRatio(samples, warmup_and_after), Optional(DoubleNear(0.99, 1e-9)));
  const auto within = Utilisation({{500, 1}, {2000, 0.4}, {2500, 0.6}, {3000, -1}, {4100, 1}});
  EXPECT_THAT(DeviceBusyRatio(samples, within), Optional(DoubleNear(0.5, 1e-9)));
  const auto one = Utilisation({{2500, 0.2}});
  EXPECT_THAT(DeviceBusyRatio(samples, one), Optional(DoubleNear(0.99, 1e-9)));
}

TEST(DeviceBusyRatio, IsNotKnownWithoutEither) {
  EXPECT_EQ(DeviceBusyRatio(Steps(5, 1), {}), std::nullopt);
  EXPECT_EQ(DeviceBusyRatio({}, Utilisation({{0, 0.5}, {10, 0.5}})), std::nullopt);
  EXPECT_THAT(DeviceBusyRatio(Steps(40, 0), Utilisation({{1500, 0.3}, {2500, 0.5}})),
              Optional(DoubleNear(0.4, 1e-9)));
}

}  // namespace
}  // namespace torchlap::measure
