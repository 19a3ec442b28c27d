// What a client has on its way, seen from the HTTP/2 frames of its connection, and when it is more
// than an honest one ever has. For what gRPC 1.51 does not limit: it counts the header bytes of a
// call anew with each CONTINUATION frame, keeps all of a field whose end does not come, and limits
// the calls of a connection only once the client has acknowledged its SETTINGS.
#pragma once

#include <absl/status/status.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace torchlap::rpc {

// Cuts a stream of bytes into frames; their payload is passed over.
class FrameReader {
 public:
  struct Frame {
    uint32_t length = 0;  // of the payload
    uint8_t type = 0;
    uint8_t flags = 0;
    uint32_t stream = 0;
  };

  // Calls `see` with each frame whose header is complete. The first error of `see` ends it.
  absl::Status Take(std::string_view bytes, const std::function<absl::Status(const Frame&)>& see);
  // Between two frames.
  bool is_at_boundary() const { return header_bytes_ == 0 && payload_left_ == 0; }

 private:
  static constexpr size_t kHeaderBytes = 9;
  Frame Parsed() const;

  std::array<uint8_t, kHeaderBytes> header_ = {};
  size_t header_bytes_ = 0;
  size_t payload_left_ = 0;
};

// What all connections of one user have on their way.
struct UserLoad {
  size_t connections = 0;
  size_t calls = 0;
  size_t request_bytes = 0;  // of those calls
};

// Of one connection. Not thread-safe.
class FrameGuard {
 public:
  // Of one call. gRPC takes 16 KiB of each frame; written as indexes they grow a hundredfold.
  static constexpr size_t kMostHeaderBytes = 20 << 10;
  // Of one connection. Above what SETTINGS allow (kCallsOfAConnection), as those of the user are
  // above what is answered (CallsInProgress): who keeps to them is refused in words, and keeps the
  // connection.
  static constexpr size_t kMostCalls = 1100;
  static constexpr size_t kMostCallsOfUser = 1200;
  static constexpr size_t kMostRequestBytesOfUser = size_t{96} << 20;

  // `load` outlives it, and is added to.
  FrameGuard(uid_t uid, UserLoad* load);
  ~FrameGuard();
  FrameGuard(const FrameGuard&) = delete;
  FrameGuard& operator=(const FrameGuard&) = delete;

  // Not OK: close the connection; a line for its user. INVALID_ARGUMENT: that is no HTTP/2.
  absl::Status FromClient(std::string_view bytes);
  void FromServer(std::string_view bytes);

  // A frame may be put in between to the client.
  bool server_is_at_boundary() const { return from_server_.is_at_boundary(); }
  uint32_t last_stream() const { return last_stream_; }

 private:
  absl::Status SeeClientFrame(const FrameReader::Frame& frame);
  absl::Status SeeHeaders(const FrameReader::Frame& frame);
  absl::Status CheckCalls() const;
  absl::Status SeeData(const FrameReader::Frame& frame);
  void SeeServerFrame(const FrameReader::Frame& frame);
  void End(uint32_t stream);

  const uid_t uid_;
  UserLoad* const load_;
  size_t preface_bytes_ = 0;
  FrameReader from_client_;
  FrameReader from_server_;
  size_t header_bytes_ = 0;              // of the call whose headers come
  uint32_t last_stream_ = 0;             // the newest call
  std::map<uint32_t, size_t> requests_;  // bytes of each call that is not answered
};

// A frame that says why a connection ends; clients show it.
std::string GoAwayFrame(uint32_t last_stream, std::string_view words);

}  // namespace torchlap::rpc
