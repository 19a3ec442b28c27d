// The bytes of HTTP/2 (RFC 9113, RFC 7541), as far as an attacker needs them: what gRPC's own
// client would never send.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "proto/base/file_descriptor.h"

namespace torchlap::attack {

enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9
};

inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kEndHeaders = 4;
inline constexpr uint8_t kAck = 1;
inline constexpr size_t kMostPayload = 16384;  // of a frame, unless the other side allows more

std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload);
// One setting of a SETTINGS frame. 4 is the window of new streams.
std::string Setting(uint16_t id, uint32_t value);
// A header field, neither compressed nor indexed.
std::string Literal(std::string_view name, std::string_view value);
// The fields that gRPC wants of a call of `path`, `/torchlap.v1.Torchlap/GetJob`.
std::string CallFields(std::string_view path);
// A message of gRPC behind its prefix.
std::string Prefixed(std::string_view message);
// A whole call: HEADERS and a DATA frame that ends the stream. The message fits into one frame.
std::string WholeCall(uint32_t stream, std::string_view path, std::string_view message);

// A connection that writes what it is told. Reads nothing unless it is told to.
class Wire {
 public:
  // Connects and sends preface and settings. Where that fails it is not open.
  explicit Wire(const std::filesystem::path& socket, std::string_view settings = "");
  // Without a word.
  static Wire Silent(const std::filesystem::path& socket);

  bool is_open() const { return static_cast<bool>(fd_); }
  // Waits for room for two seconds at a time. False: the other side has closed, or takes no more.
  bool Send(std::string_view bytes);
  // Takes what has come, without waiting, and answers settings and pings. False: it has closed.
  bool Read();
  // Whether it closes before that, having taken what came.
  bool ClosesWithin(int milliseconds);
  // Bytes of DATA that may still be sent, by what Read has seen.
  int64_t window() const { return window_; }
  void Sent(int64_t data_bytes) { window_ -= data_bytes; }

 private:
  Wire() = default;
  void TakeFrame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload);

  FileDescriptor fd_;
  std::string received_;
  int64_t window_ = 65535;
};

}  // namespace torchlap::attack
