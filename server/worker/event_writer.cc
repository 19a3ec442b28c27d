#include "server/worker/event_writer.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "proto/frames.h"
#include "server/worker/errors.h"

namespace torchlap::worker {

void EventWriter::Write(const v1::WorkerEvent& event) {
  const std::string frame = EncodeFrame(event);
  std::string_view rest = frame;
  while (!rest.empty()) {
    // MSG_NOSIGNAL: a daemon that is gone is an error to handle, not a SIGPIPE that looks like a
    // crash.
    const ssize_t sent = send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw SocketClosed(std::strerror(errno));
    rest.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace torchlap::worker
