#include "server/worker/failure_report.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>

#include "proto/base/visible_text.h"
#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

constexpr size_t kMostDetailBytes = 4096;

std::string FirstLine(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string_view text =
      torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  return std::string(text.substr(0, text.find('\n')));
}

// Errors of the CUDA runtime are typed; those of the driver and of CUDA's libraries are told by
// their text alone (ATen/cuda/Exceptions.h).
bool IsCudaError(const std::exception& error) {
  constexpr std::array<std::string_view, 5> kBeginnings = {
      "CUDA error", "CUDA driver error", "CUDA NVRTC error", "cuDNN error", "cuDNN Frontend error"};
  const std::string line = FirstLine(error);
  return dynamic_cast<const DeviceUnusable*>(&error) != nullptr ||
         dynamic_cast<const c10::AcceleratorError*>(&error) != nullptr ||
         std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&line](std::string_view beginning) { return line.starts_with(beginning); });
}

// The CUDA runtime and its libraries allocate too: contexts, modules, handles, workspaces.
// cudaMalloc's error is not one of those that poison a context.
bool IsOutOfMemory(const std::exception& error) {
  constexpr int kCudaErrorMemoryAllocation = 2;  // of driver_types.h
  const auto* accelerator_error = dynamic_cast<const c10::AcceleratorError*>(&error);
  if (accelerator_error != nullptr) {
    return accelerator_error->get_error_code() == kCudaErrorMemoryAllocation;
  }
  const std::string line = FirstLine(error);
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         line.starts_with("CUDA driver error: out of memory") ||
         // CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
         line.find("_STATUS_ALLOC_FAILED") != std::string::npos ||
         line.find("DEVICE_ALLOCATION_FAILED") != std::string::npos;
}

// Close to the end of memory cuBLAS and cuDNN say that they are not initialised where they mean
// that they could not allocate their handle: on a device that works, the free memory tells.
bool IsOutOfMemoryForHandles(const std::exception& error, const Device* device) {
  constexpr uint64_t kEnoughForHandles = uint64_t{1} << 30;
  const std::string line = FirstLine(error);
  if (device == nullptr || line.find("_STATUS_NOT_INITIALIZED") == std::string::npos) return false;
  const v1::Failure now = device->DescribeOutOfMemory(line);
  return now.has_free_bytes() && now.free_bytes() < kEnoughForHandles;
}

v1::Outcome OutcomeOf(const std::exception& error, const Device* device) {
  if (dynamic_cast<const InvalidRequest*>(&error) != nullptr) return v1::OUTCOME_INVALID;
  if (IsOutOfMemory(error) || IsOutOfMemoryForHandles(error, device)) {
    return v1::OUTCOME_OUT_OF_MEMORY;
  }
  return IsCudaError(error) ? v1::OUTCOME_CUDA_ERROR : v1::OUTCOME_CRASHED;
}

}  // namespace

v1::WorkerFailed DescribeFailure(const std::exception& error, v1::Phase phase,
                                 const Device* device) {
  v1::WorkerFailed failed;
  failed.set_outcome(OutcomeOf(error, device));
  // Not of the heap's bad_alloc: the numbers would be those of another moment.
  const bool of_device = failed.outcome() == v1::OUTCOME_OUT_OF_MEMORY &&
                         dynamic_cast<const std::bad_alloc*>(&error) == nullptr;
  if (of_device && device != nullptr) {
    *failed.mutable_failure() = device->DescribeOutOfMemory(FirstLine(error));
  }
  failed.mutable_failure()->set_phase(phase);
  failed.mutable_failure()->set_detail(VisibleUpTo(kMostDetailBytes, FirstLine(error)));
  return failed;
}

}  // namespace torchlap::worker
