#include "server/worker/device.h"

namespace torchlap::worker {

std::unique_ptr<Device> OpenDevice(const v1::WorkerRequest& request) {
  if (request.device().kind() == v1::DEVICE_KIND_CUDA) return OpenCudaDevice(request);
  return OpenCpuDevice(request.device().memory_limit_bytes());
}

}  // namespace torchlap::worker
