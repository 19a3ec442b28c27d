#include "server/worker/request_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "proto/frames.h"
#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

// Bytes as they come; empty at the end of the stream.
std::string_view ReadSome(int socket, std::array<char, 4096>* buffer) {
  while (true) {
    const ssize_t count = read(socket, buffer->data(), buffer->size());
    if (count >= 0) return {buffer->data(), static_cast<size_t>(count)};
    if (errno != EINTR) throw SocketClosed(std::strerror(errno));
  }
}

}  // namespace

v1::WorkerRequest ReadRequest(int socket) {
  FrameDecoder decoder;
  v1::WorkerRequest request;
  std::array<char, 4096> buffer;
  while (true) {
    switch (decoder.Next(&request)) {
      case FrameDecoder::Result::kFrame:
        return request;
      case FrameDecoder::Result::kGarbage:
        throw InvalidRequest("what came on the socket is not a WorkerRequest of at most 1 MiB");
      case FrameDecoder::Result::kNeedMore:
        break;
    }
    const std::string_view bytes = ReadSome(socket, &buffer);
    if (bytes.empty()) throw SocketClosed("the socket closed before a request came");
    decoder.Feed(bytes);
  }
}

}  // namespace torchlap::worker
