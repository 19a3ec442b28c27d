// The request from the daemon.
#pragma once

#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Blocks until one whole WorkerRequest frame came. Throws SocketClosed if the other end closed
// before that, and InvalidRequest if what came is no such frame.
v1::WorkerRequest ReadRequest(int socket);

}  // namespace torchlap::worker
