// Is a request complete, and something that this worker does?
#pragma once

#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Throws InvalidRequest with one line that names the first field that is wrong, its value and what
// would be right. Looks at no device.
void CheckRequest(const v1::WorkerRequest& request);

}  // namespace torchlap::worker
