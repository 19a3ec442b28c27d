// Frames on a stream socket: each message behind its length as a varint (worker.proto).
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace torchlap {

// Longest message of the worker protocol, in bytes. A longer length is garbage.
inline constexpr size_t kMaxFrameBytes = size_t{1} << 20;

// The message behind its length.
std::string EncodeFrame(const google::protobuf::MessageLite& message);

// Cuts a byte stream into frames. Not thread-safe. After kGarbage the stream has lost its place and
// the decoder must not be used again.
class FrameDecoder {
 public:
  enum class Result { kFrame, kNeedMore, kGarbage };

  // Appends bytes as they came from the socket.
  void Feed(std::string_view bytes);

  // Parses the next whole frame into *message. kNeedMore: the next frame is not complete. kGarbage:
  // the length is above kMaxFrameBytes or not a varint, or the bytes are not a `message`.
  Result Next(google::protobuf::MessageLite* message);

  // Bytes fed but not yet returned: not 0 at end of stream means that the last frame was cut short.
  size_t pending_bytes() const { return buffer_.size() - begin_; }

 private:
  std::string buffer_;
  size_t begin_ = 0;
};

}  // namespace torchlap
