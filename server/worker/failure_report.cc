#include "server/worker/failure_report.h"

#include <c10/util/Exception.h>

#include <new>
#include <string>
#include <string_view>

#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

std::string FirstLine(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string_view text =
      torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  return std::string(text.substr(0, text.find('\n')));
}

// Errors of the CUDA runtime are typed; those of its libraries (cuBLAS) are told by their text
// alone.
bool IsCudaError(const std::exception& error) {
  return dynamic_cast<const DeviceUnusable*>(&error) != nullptr ||
         dynamic_cast<const c10::AcceleratorError*>(&error) != nullptr ||
         FirstLine(error).starts_with("CUDA error");
}

// The CUDA runtime and its libraries allocate too: contexts, handles, workspaces. cudaMalloc's
// error is not one of those that poison a context.
bool IsOutOfMemory(const std::exception& error) {
  constexpr int kCudaErrorMemoryAllocation = 2;  // of driver_types.h
  const auto* accelerator_error = dynamic_cast<const c10::AcceleratorError*>(&error);
  if (accelerator_error != nullptr) {
    return accelerator_error->get_error_code() == kCudaErrorMemoryAllocation;
  }
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         // CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED, ...
         FirstLine(error).find("_STATUS_ALLOC_FAILED") != std::string::npos;
}

v1::Outcome OutcomeOf(const std::exception& error) {
  if (dynamic_cast<const InvalidRequest*>(&error) != nullptr) return v1::OUTCOME_INVALID;
  if (IsOutOfMemory(error)) return v1::OUTCOME_OUT_OF_MEMORY;
  return IsCudaError(error) ? v1::OUTCOME_CUDA_ERROR : v1::OUTCOME_CRASHED;
}

}  // namespace

v1::WorkerFailed DescribeFailure(const std::exception& error, v1::Phase phase,
                                 const Device* device) {
  v1::WorkerFailed failed;
  failed.set_outcome(OutcomeOf(error));
  // Not of the heap's bad_alloc: the numbers would be those of another moment.
  const bool of_device = failed.outcome() == v1::OUTCOME_OUT_OF_MEMORY &&
                         dynamic_cast<const std::bad_alloc*>(&error) == nullptr;
  if (of_device && device != nullptr) {
    *failed.mutable_failure() = device->DescribeOutOfMemory(FirstLine(error));
  }
  failed.mutable_failure()->set_phase(phase);
  failed.mutable_failure()->set_detail(FirstLine(error));
  return failed;
}

}  // namespace torchlap::worker
