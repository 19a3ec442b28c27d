#include "server/worker/failure_report.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

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
  EXPECT_EQ(FailureOf([] { throw std::runtime_error("CUDA error: CUBLAS_STATUS_X"); }).outcome(),
            v1::OUTCOME_CUDA_ERROR);
}

TEST(FailureReportTest, AFailedAllocationOfTheCudaRuntimeOrItsLibrariesIsOutOfMemory) {
  const c10::SourceLocation here{__func__, __FILE__, 0};
  const auto runtime = FailureOf(
      [&] { throw c10::AcceleratorError(here, 2, "CUDA error: out of memory\nSearch for ..."); });
  EXPECT_EQ(runtime.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(runtime.failure().detail(), "CUDA error: out of memory");
  const auto library = FailureOf([] {
    throw std::runtime_error("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`");
  });
  EXPECT_EQ(library.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
}

TEST(FailureReportTest, AnyOtherErrorIsACrashInOneLine) {
  const auto failed = FailureOf([] { at::zeros({2, 3}).matmul(at::zeros({2, 3})); });
  EXPECT_EQ(failed.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(failed.failure().detail(), "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)");
}

}  // namespace
}  // namespace torchlap::worker
