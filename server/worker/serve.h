// The whole life of a worker.
#pragma once

namespace torchlap::worker {

// Says hello on `socket` (a stream socket), reads one request, works on it and sends its result or
// failure (worker.proto). Returns quietly if the other end is gone at any point. Throws nothing.
void Serve(int socket);

}  // namespace torchlap::worker
