// CUDA events as a clock.
#pragma once

#include <memory>

#include "server/worker/device.h"

namespace torchlap::worker {

// Marks are events on the current stream of `device`, which is the one that the operators of this
// thread are given to. Resolution of about half a microsecond (cudaEventElapsedTime).
std::unique_ptr<DeviceClock> MakeCudaClock(c10::Device device);

}  // namespace torchlap::worker
