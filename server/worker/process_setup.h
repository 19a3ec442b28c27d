// What a run needs of its process before the first tensor.
#pragma once

#include <memory>

#include "server/worker/device.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Pins the process to the granted cores, opens the granted device and sets the number of threads.
// Once a process, before any operation on tensors. Throws InvalidRequest and DeviceUnusable.
std::unique_ptr<Device> PrepareProcess(const v1::WorkerRequest& request);

}  // namespace torchlap::worker
