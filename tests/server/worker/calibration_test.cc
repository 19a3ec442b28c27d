#include "server/worker/calibration.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/server/worker/allocator_reset.h"

namespace torchlap::worker {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr CalibrationTimes kShort = {.enough_ns = 2'000'000};

v1::Calibration OfSize(uint32_t matrix_size) {
  v1::Calibration calibration;
  calibration.set_matrix_size(matrix_size);
  return calibration;
}

v1::CalibrationResult CalibrateWithin(uint64_t limit_bytes, uint32_t matrix_size,
                                      const CalibrationTimes& times = kShort) {
  const AllocatorReset reset;
  const std::unique_ptr<Device> device = OpenCpuDevice(limit_bytes);
  return Calibrate(OfSize(matrix_size), device.get(), times);
}

TEST(CalibrationTest, ACpuHasAPeakInEveryPrecisionButTf32) {
  const v1::CalibrationResult result = CalibrateWithin(64 * kMiB, 64);
  std::vector<v1::Precision> precisions;
  for (const v1::MatmulPeak& peak : result.matmul_peaks()) {
    precisions.push_back(peak.precision());
    EXPECT_TRUE(std::isfinite(peak.flops_per_s()));
    EXPECT_GT(peak.flops_per_s(), 0);
    EXPECT_EQ(peak.matrix_size(), 64u);
    EXPECT_GE(peak.measured_ns(), kShort.enough_ns);
  }
  EXPECT_THAT(precisions, ElementsAre(v1::PRECISION_FP32, v1::PRECISION_BF16, v1::PRECISION_FP16));
}

TEST(CalibrationTest, TheBandwidthIsThatOfACopyOfAQuarterOfTheMemory) {
  const v1::CalibrationResult result = CalibrateWithin(64 * kMiB, 64);
  EXPECT_TRUE(std::isfinite(result.memory_bytes_per_s()));
  EXPECT_GT(result.memory_bytes_per_s(), 0);
  EXPECT_EQ(result.copied_bytes(), 16 * kMiB);
}

TEST(CalibrationTest, WhereMemoryIsShortTheMatricesAreSmaller) {
  // Three of 256 x 256 are 0.75 MiB; three of 512 x 512 are 3 MiB.
  const v1::CalibrationResult result = CalibrateWithin(4 * kMiB, 0);
  EXPECT_EQ(result.matmul_peaks(0).matrix_size(), 256u);
}

TEST(CalibrationTest, MatricesThatWereAskedForAndDoNotFitAreOutOfMemory) {
  EXPECT_THROW(CalibrateWithin(kMiB, 1024), c10::OutOfMemoryError);
}

TEST(CalibrationTest, AProductThatTakesForEverEndsItsPrecision) {
  const CalibrationTimes impatient = {.enough_ns = int64_t{3'600} * 1'000'000'000, .longest_ns = 0};
  const v1::CalibrationResult result = CalibrateWithin(64 * kMiB, 64, impatient);
  ASSERT_EQ(result.matmul_peaks_size(), 3);
  for (const v1::MatmulPeak& peak : result.matmul_peaks()) {
    // One product: its time is all that was measured.
    const double flops = 2.0 * 64 * 64 * 64;
    EXPECT_NEAR(peak.flops_per_s() * static_cast<double>(peak.measured_ns()) / 1e9, flops, 1);
  }
}

TEST(CalibrationTest, AllMemoryIsGivenBack) {
  const AllocatorReset reset;
  const std::unique_ptr<Device> device = OpenCpuDevice(64 * kMiB);
  Calibrate(OfSize(64), device.get(), kShort);
  device->ResetPeaks();
  EXPECT_EQ(device->Peaks().allocated_bytes, 0u);
}

TEST(CalibrationTest, ACpuIsMeasuredForASecondEach) {
  const AllocatorReset reset;
  EXPECT_EQ(UsualTimes(*OpenCpuDevice(0)).enough_ns, 1'000'000'000);
}

}  // namespace
}  // namespace torchlap::worker
