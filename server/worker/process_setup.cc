#include "server/worker/process_setup.h"

#include <ATen/Parallel.h>

#include <utility>

#include "server/worker/core_affinity.h"

namespace torchlap::worker {

// The order matters: threads inherit the affinity, and CUDA and the allocator come before the first
// tensor.
std::unique_ptr<Device> PrepareProcess(const v1::WorkerRequest& request) {
  PinToCores(request.device().cores());
  std::unique_ptr<Device> device = OpenDevice(request);
  at::set_num_threads(static_cast<int>(request.device().threads()));
  at::set_num_interop_threads(1);
  return device;
}

}  // namespace torchlap::worker
