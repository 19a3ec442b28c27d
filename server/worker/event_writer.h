// Events to the daemon.
#pragma once

#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Writes WorkerEvents as frames (proto/frames.h) to a stream socket. Not thread-safe. Does not own
// the descriptor.
class EventWriter {
 public:
  explicit EventWriter(int socket) : socket_(socket) {}

  // Blocks until the kernel has all of it. Throws SocketClosed if the other end is gone.
  void Write(const v1::WorkerEvent& event);

 private:
  const int socket_;
};

}  // namespace torchlap::worker
