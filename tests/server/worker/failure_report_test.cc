#include "server/worker/failure_report.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "server/worker/errors.h"
#include "tests/server/worker/allocator_reset.h"

namespace torchlap::worker {
namespace {

// What DescribeFailure makes of whatever `body` throws.
template <typename Body>
v1::WorkerFailed FailureOf(Body body, const Device* device = nullptr) {
  try {
    body();
  } catch (const std::exception& error) {
    return DescribeFailure(error, v1::PHASE_BACKWARD, device);
  }
  throw std::logic_error("nothing was thrown");
}

// A GPU of which nothing is known but its free memory.
class GpuWithFreeMemory final : public Device {
 public:
  explicit GpuWithFreeMemory(uint64_t free_bytes) : free_bytes_(free_bytes) {}

  c10::Device torch_device() const override { return {c10::DeviceType::CUDA, 0}; }
  void Synchronise() override {}
  std::unique_ptr<DeviceClock> MakeClock() override { return nullptr; }
  void ResetPeaks() override {}
  MemoryPeak Peaks() const override { return {}; }
  v1::MemoryUse AtStart() const override { return {}; }
  v1::Failure DescribeOutOfMemory(const std::string&) const override {
    v1::Failure failure;
    failure.set_free_bytes(free_bytes_);
    return failure;
  }
  std::optional<GpuModel> gpu() const override { return std::nullopt; }
  std::string cuda_version() const override { return ""; }

 private:
  const uint64_t free_bytes_;
};

TEST(FailureReportTest, AnInvalidRequestKeepsItsWords) {
  const auto failed = FailureOf([] { throw InvalidRequest("batch_size is 0"); });
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_INVALID);
  EXPECT_EQ(failed.failure().detail(), "batch_size is 0");
}

TEST(FailureReportTest, OutOfMemoryHasTheNumbersOfTheMomentEvenAfterTensorsWereFreed) {
  const AllocatorReset reset;
  const auto device = OpenCpuDevice(1 << 20);
  const auto failed = FailureOf(
      [] {
        const at::Tensor held = at::zeros({1000}, at::kFloat);
        at::zeros({1 << 20}, at::kFloat);
      },
      device.get());
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(failed.failure().phase(), v1::PHASE_BACKWARD);
  EXPECT_EQ(failed.failure().asked_bytes(), 4u << 20);
  EXPECT_EQ(failed.failure().allocated_bytes(), 4000u);
  EXPECT_EQ(failed.failure().free_bytes(), (1u << 20) - 4000);
  EXPECT_EQ(failed.failure().total_bytes(), 1u << 20);
  EXPECT_FALSE(failed.failure().has_reserved_bytes());
}

TEST(FailureReportTest, ARefusalOfTheHeapIsOutOfMemoryToo) {
  const auto failed = FailureOf([] { throw std::bad_alloc(); });
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_FALSE(failed.failure().has_asked_bytes());
}

TEST(FailureReportTest, ADeviceThatCannotBeUsedIsACudaError) {
  const auto failed = FailureOf([] { throw DeviceUnusable("no CUDA device"); });
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_CUDA_ERROR);
}

TEST(FailureReportTest, ErrorsOfTheCudaRuntimeAndItsLibrariesAreCudaErrors) {
  const c10::SourceLocation here{__func__, __FILE__, 0};
  EXPECT_EQ(FailureOf([&] { throw c10::AcceleratorError(here, 700, "illegal address"); }).outcome(),
            v1::OUTCOME_CUDA_ERROR);
  for (const char* text :
       {"CUDA error: CUBLAS_STATUS_X", "CUDA driver error: no CUDA-capable device is detected",
        "CUDA NVRTC error: NVRTC_ERROR_COMPILATION", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "cuDNN Frontend error: no plan"}) {
    EXPECT_EQ(FailureOf([text] { throw std::runtime_error(text); }).outcome(),
              v1::OUTCOME_CUDA_ERROR)
        << text;
  }
}

TEST(FailureReportTest, AFailedAllocationOfTheCudaRuntimeOrItsLibrariesIsOutOfMemory) {
  const c10::SourceLocation here{__func__, __FILE__, 0};
  const auto runtime = FailureOf(
      [&] { throw c10::AcceleratorError(here, 2, "CUDA error: out of memory\nSearch for ..."); });
  EXPECT_EQ(runtime.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(runtime.failure().detail(), "CUDA error: out of memory");
  for (const char* text : {"CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`",
                           "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
                           "CUDA driver error: out of memory"}) {
    EXPECT_EQ(FailureOf([text] { throw std::runtime_error(text); }).outcome(),
              v1::OUTCOME_OUT_OF_MEMORY)
        << text;
  }
}

TEST(FailureReportTest, AHandleThatCannotBeMadeIsOutOfMemoryWhereLittleIsFree) {
  const auto fail = [] {
    throw std::runtime_error(
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate`");
  };
  const GpuWithFreeMemory full(uint64_t{20} << 20);
  const auto failed = FailureOf(fail, &full);
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(failed.failure().free_bytes(), uint64_t{20} << 20);
  const GpuWithFreeMemory empty(uint64_t{40} << 30);
  EXPECT_EQ(FailureOf(fail, &empty).outcome(), v1::OUTCOME_CUDA_ERROR);
  EXPECT_EQ(FailureOf(fail).outcome(), v1::OUTCOME_CUDA_ERROR);
}

TEST(FailureReportTest, AnyOtherErrorIsACrashInOneLine) {
  const auto failed = FailureOf([] { at::zeros({2, 3}).matmul(at::zeros({2, 3})); });
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(failed.failure().detail(), "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)");
}

}  // namespace
}  // namespace torchlap::worker
