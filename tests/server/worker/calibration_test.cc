#include "server/worker/calibration.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "server/worker/numerics.h"
#include "tests/server/worker/allocator_reset.h"

namespace torchlap::worker {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr CalibrationTimes kShort = {.enough_ns = 2'000'000};

v1::Calibration OfSize(uint32_t matrix_size) {
  v1::Calibration calibration;
  calibration.set_matrix_size(matrix_size);
  return calibration;
}

// Where products are reported to; nobody listens.
class Socket {
 public:
  Socket() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair_.data()), 0); }
  ~Socket() {
    for (const int end : pair_) close(end);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return pair_[0]; }

 private:
  std::array<int, 2> pair_ = {-1, -1};
};

// With `result` as the worker's last event has it.
v1::CalibrationResult CalibrateOn(Device* device, uint32_t matrix_size,
                                  const CalibrationTimes& times = kShort,
                                  v1::WorkerResult* result = nullptr) {
  const Socket socket;
  EventWriter events(socket.fd());
  ProductLog log(&events);
  v1::CalibrationResult calibrated = Calibrate(OfSize(matrix_size), device, times, &log);
  if (result != nullptr) log.Finish(result);
  return calibrated;
}

v1::CalibrationResult CalibrateWithin(uint64_t limit_bytes, uint32_t matrix_size,
                                      const CalibrationTimes& times = kShort,
                                      v1::WorkerResult* result = nullptr) {
  const AllocatorReset reset;
  const std::unique_ptr<Device> device = OpenCpuDevice(limit_bytes);
  return CalibrateOn(device.get(), matrix_size, times, result);
}

TEST(CalibrationTest, AFormatThatTheCpuEmulatesHasNoPeakAndIsNamed) {
  const v1::CalibrationResult result = CalibrateWithin(64 * kMiB, 64);
  std::vector<v1::Precision> peaks;
  for (const v1::MatmulPeak& peak : result.matmul_peaks()) {
    peaks.push_back(peak.precision());
    EXPECT_TRUE(std::isfinite(peak.flops_per_s()));
    EXPECT_GT(peak.flops_per_s(), 0);
    EXPECT_EQ(peak.matrix_size(), 64u);
    EXPECT_GE(peak.products(), 5u);
  }
  std::vector<v1::Precision> emulated;
  for (const int precision : result.emulated()) {
    emulated.push_back(static_cast<v1::Precision>(precision));
  }
  const AllocatorReset reset;
  const std::unique_ptr<Device> device = OpenCpuDevice(64 * kMiB);
  std::vector<v1::Precision> expected_peaks;
  std::vector<v1::Precision> expected_emulated;
  for (const v1::Precision precision :
       {v1::PRECISION_FP32, v1::PRECISION_BF16, v1::PRECISION_FP16}) {
    (IsNative(precision, *device) ? expected_peaks : expected_emulated).push_back(precision);
  }
  EXPECT_EQ(peaks, expected_peaks);
  EXPECT_EQ(emulated, expected_emulated);
}

TEST(CalibrationTest, EveryProductThatWasTimedIsAStepAndTheBestOneCounts) {
  v1::WorkerResult result;
  const v1::CalibrationResult calibrated = CalibrateWithin(64 * kMiB, 64, kShort, &result);
  const v1::SampleBlock& samples = result.samples();
  ASSERT_EQ(static_cast<uint32_t>(samples.step_ns_size()), result.measured_steps());
  EXPECT_EQ(result.warmup_steps(), 0u);
  EXPECT_EQ(samples.start_ns_size(), samples.step_ns_size());
  int begin = 0;
  for (const v1::MatmulPeak& peak : calibrated.matmul_peaks()) {
    const auto end = begin + static_cast<int>(peak.products());
    ASSERT_LE(end, samples.step_ns_size());
    const auto& times = samples.step_ns();
    const int64_t best = *std::min_element(times.begin() + begin, times.begin() + end);
    EXPECT_DOUBLE_EQ(peak.flops_per_s(), 2.0 * 64 * 64 * 64 / (static_cast<double>(best) / 1e9));
    EXPECT_EQ(peak.measured_ns(),
              std::accumulate(times.begin() + begin, times.begin() + end, int64_t{0}));
    begin = end;
  }
  EXPECT_GE(samples.step_ns_size() - begin, 5) << "copies";
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
  ASSERT_GE(result.matmul_peaks_size(), 1);
  for (const v1::MatmulPeak& peak : result.matmul_peaks()) EXPECT_EQ(peak.products(), 1u);
}

TEST(CalibrationTest, AThousandProductsAreEnough) {
  const CalibrationTimes patient = {.enough_ns = int64_t{3'600} * 1'000'000'000,
                                    .longest_ns = 100'000'000};
  const v1::CalibrationResult result = CalibrateWithin(64 * kMiB, 8, patient);
  EXPECT_EQ(result.matmul_peaks(0).products(), 1000u);
}

TEST(CalibrationTest, AllMemoryIsGivenBack) {
  const AllocatorReset reset;
  const std::unique_ptr<Device> device = OpenCpuDevice(64 * kMiB);
  CalibrateOn(device.get(), 64);
  device->ResetPeaks();
  EXPECT_EQ(device->Peaks().allocated_bytes, 0u);
}

TEST(CalibrationTest, ACpuIsMeasuredForASecondEach) {
  const AllocatorReset reset;
  EXPECT_EQ(UsualTimes(*OpenCpuDevice(0)).enough_ns, 1'000'000'000);
}

}  // namespace
}  // namespace torchlap::worker
