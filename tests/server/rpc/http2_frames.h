// Frames of HTTP/2, as a client sends them that means harm.
#pragma once

#include <cstdint>
#include <string>

namespace torchlap::rpc {

inline constexpr char kHttp2Preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline constexpr uint8_t kDataFrame = 0;
inline constexpr uint8_t kHeadersFrame = 1;
inline constexpr uint8_t kRstStreamFrame = 3;
inline constexpr uint8_t kSettingsFrame = 4;
inline constexpr uint8_t kContinuationFrame = 9;
inline constexpr uint8_t kEndStreamFlag = 1;
inline constexpr uint8_t kEndHeadersFlag = 4;

inline std::string Http2Frame(uint8_t type, uint8_t flags, uint32_t stream,
                              const std::string& payload) {
  std::string frame;
  const auto append = [&frame](uint32_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
      frame.push_back(static_cast<char>((value >> shift) & 0xff));
    }
  };
  append(static_cast<uint32_t>(payload.size()), 3);
  append(type, 1);
  append(flags, 1);
  append(stream, 4);
  return frame + payload;
}

}  // namespace torchlap::rpc
