// torchlap_cuda.so: opened only when something of it is needed.
#pragma once

#include "server/worker/cuda/cuda_extras.h"

namespace torchlap::worker {

// Opens the library beside the program, once, and keeps it. LibTorch's CUDA part is loaded. Throws
// DeviceUnusable with one line if it is not there or does not load.
const TorchlapCudaExtras& CudaExtras();

}  // namespace torchlap::worker
