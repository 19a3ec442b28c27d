#include "tests/attack/http2.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tests/server/rpc/http2_frames.h"

namespace torchlap::attack {
namespace {

constexpr int kPatienceMs = 2000;
constexpr size_t kFrameHeader = 9;

std::string BigEndian(uint64_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    text += static_cast<char>(value >> shift);
  }
  return text;
}

uint32_t Number(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

// RFC 7541, 5.1, with a prefix of seven bits.
std::string Length(size_t value) {
  constexpr size_t kPrefix = 127;
  if (value < kPrefix) return std::string(1, static_cast<char>(value));
  std::string text(1, static_cast<char>(kPrefix));
  for (value -= kPrefix; value >= 128; value /= 128) text += static_cast<char>(128 + value % 128);
  text += static_cast<char>(value);
  return text;
}

FileDescriptor Connect(const std::filesystem::path& socket) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  // A full backlog is no reason to stand still.
  const timeval patience = {kPatienceMs / 1000, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd.get(), name, sizeof address) != 0) fd.reset();
  return fd;
}

}  // namespace

std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
  return rpc::Http2Frame(type, flags, stream, std::string(payload));
}

std::string Setting(uint16_t id, uint32_t value) { return BigEndian(id, 2) + BigEndian(value, 4); }

std::string Literal(std::string_view name, std::string_view value) {
  std::string field(1, '\0');
  field += Length(name.size());
  field += name;
  field += Length(value.size());
  return field.append(value);
}

std::string CallFields(std::string_view path) {
  return Literal(":method", "POST") + Literal(":scheme", "http") + Literal(":path", path) +
         Literal(":authority", "localhost") + Literal("te", "trailers") +
         Literal("content-type", "application/grpc");
}

std::string Prefixed(std::string_view message) {
  std::string bytes(1, '\0');
  bytes += BigEndian(message.size(), 4);
  return bytes.append(message);
}

std::string WholeCall(uint32_t stream, std::string_view path, std::string_view message) {
  return Frame(kHeaders, kEndHeaders, stream, CallFields(path)) +
         Frame(kData, kEndStream, stream, Prefixed(message));
}

Wire::Wire(const std::filesystem::path& socket, std::string_view settings) : fd_(Connect(socket)) {
  Send(rpc::kHttp2Preface);
  Send(Frame(kSettings, 0, 0, settings));
}

Wire Wire::Silent(const std::filesystem::path& socket) {
  Wire wire;
  wire.fd_ = Connect(socket);
  return wire;
}

bool Wire::Send(std::string_view bytes) {
  while (fd_ && !bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    pollfd room = {fd_.get(), POLLOUT, 0};
    if (errno == EAGAIN && ::poll(&room, 1, kPatienceMs) == 1) continue;
    if (errno != EAGAIN) fd_.reset();
    return false;
  }
  return is_open();
}

bool Wire::ClosesWithin(int milliseconds) {
  pollfd closed = {fd_.get(), POLLRDHUP, 0};
  ::poll(&closed, 1, milliseconds);
  return !Read();
}

bool Wire::Read() {
  char bytes[kMostPayload];
  while (fd_) {
    const ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      fd_.reset();
      break;
    }
    received_.append(bytes, static_cast<size_t>(got));
  }
  size_t begin = 0;
  while (received_.size() - begin >= kFrameHeader) {
    const std::string_view rest = std::string_view(received_).substr(begin);
    const size_t length = Number(rest.substr(0, 3));
    if (rest.size() < kFrameHeader + length) break;
    const std::string payload(rest.substr(kFrameHeader, length));
    TakeFrame(static_cast<FrameType>(rest[3]), static_cast<uint8_t>(rest[4]),
              Number(rest.substr(5, 4)), payload);
    begin += kFrameHeader + length;
  }
  received_.erase(0, begin);
  return is_open();
}

void Wire::TakeFrame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
  if (type == kGoAway) fd_.reset();
  if (type == kWindowUpdate && stream == 0) window_ += Number(payload);
  if (type == kSettings && (flags & kAck) == 0) Send(Frame(kSettings, kAck, 0, ""));
  if (type == kPing && (flags & kAck) == 0) Send(Frame(kPing, kAck, 0, payload));
}

}  // namespace torchlap::attack
