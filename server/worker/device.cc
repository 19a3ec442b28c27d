#include "server/worker/device.h"

namespace torchlap::worker {

std::unique_ptr<Device> OpenDevice(const v1::DeviceGrant& grant) {
  if (grant.kind() == v1::DEVICE_KIND_CUDA) return OpenCudaDevice(grant.uuid());
  return OpenCpuDevice(grant.memory_limit_bytes());
}

}  // namespace torchlap::worker
