// From an exception to the words of the contract.
#pragma once

#include <exception>

#include "server/worker/device.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Outcome, phase, one line of detail, and, out of memory, the numbers. `device` is null if it was
// not opened yet. Samples and memory are left to the caller.
v1::WorkerFailed DescribeFailure(const std::exception& error, v1::Phase phase,
                                 const Device* device);

}  // namespace torchlap::worker
