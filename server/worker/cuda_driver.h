// The NVIDIA driver, asked before LibTorch is: what it says is clearer than an error from deep
// inside a library.
#pragma once

#include <string>

#include "server/worker/gpu_model.h"

namespace torchlap::worker {

// Loads libcuda and returns the one GPU that CUDA_VISIBLE_DEVICES leaves; makes no context and
// takes no memory. Throws DeviceUnusable, one line: no driver, one too old for CUDA 13, one that
// does not start, or none that offers a device. `uuid` is for that line.
GpuModel AskCudaDriver(const std::string& uuid);

}  // namespace torchlap::worker
