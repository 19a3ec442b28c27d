#include "server/rpc/frame_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/rpc/share.h"

namespace torchlap::rpc {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// RFC 9113, section 6.
constexpr uint8_t kData = 0;
constexpr uint8_t kHeaders = 1;
constexpr uint8_t kRstStream = 3;
constexpr uint8_t kGoAway = 7;
constexpr uint8_t kContinuation = 9;
constexpr uint8_t kEndStream = 1;
constexpr uint32_t kEnhanceYourCalm = 11;
// What a frame costs beside its payload: many empty ones are not nothing.
constexpr size_t kFrameBytes = 9;

void AppendBigEndian(uint32_t value, int bytes, std::string* to) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    to->push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

}  // namespace

absl::Status FrameReader::Take(std::string_view bytes,
                               const std::function<absl::Status(const Frame&)>& see) {
  while (!bytes.empty()) {
    if (payload_left_ > 0) {
      const size_t passed = std::min(payload_left_, bytes.size());
      payload_left_ -= passed;
      bytes.remove_prefix(passed);
      continue;
    }
    header_[header_bytes_++] = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (header_bytes_ < kHeaderBytes) continue;
    const Frame frame = Parsed();
    header_bytes_ = 0;
    payload_left_ = frame.length;
    if (absl::Status status = see(frame); !status.ok()) return status;
  }
  return absl::OkStatus();
}

FrameReader::Frame FrameReader::Parsed() const {
  const auto at = [this](size_t place) { return uint32_t{header_[place]}; };
  Frame frame;
  frame.length = at(0) << 16 | at(1) << 8 | at(2);
  frame.type = header_[3];
  frame.flags = header_[4];
  frame.stream = (at(5) << 24 | at(6) << 16 | at(7) << 8 | at(8)) & 0x7fffffff;
  return frame;
}

FrameGuard::FrameGuard(uid_t uid, UserLoad* load) : uid_(uid), load_(load) { ++load_->connections; }

FrameGuard::~FrameGuard() {
  while (!requests_.empty()) End(requests_.begin()->first);
  --load_->connections;
}

absl::Status FrameGuard::FromClient(std::string_view bytes) {
  const size_t preface = std::min(bytes.size(), kPreface.size() - preface_bytes_);
  if (bytes.substr(0, preface) != kPreface.substr(preface_bytes_, preface)) {
    return absl::InvalidArgumentError("this is a socket for gRPC (HTTP/2) alone");
  }
  preface_bytes_ += preface;
  return from_client_.Take(bytes.substr(preface), [this](const FrameReader::Frame& frame) {
    return SeeClientFrame(frame);
  });
}

absl::Status FrameGuard::SeeClientFrame(const FrameReader::Frame& frame) {
  switch (frame.type) {
    case kHeaders:
      header_bytes_ = 0;
      return SeeHeaders(frame);
    case kContinuation:
      return SeeHeaders(frame);
    case kData:
      return SeeData(frame);
    case kRstStream:
      End(frame.stream);
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

absl::Status FrameGuard::SeeHeaders(const FrameReader::Frame& frame) {
  header_bytes_ += kFrameBytes + frame.length;
  if (header_bytes_ > kMostHeaderBytes) {
    return absl::ResourceExhaustedError(
        fmt::format("the headers of a call have {} bytes or more, must have at most {}",
                    header_bytes_, kMostHeaderBytes));
  }
  // Else the end of a call's headers, or what follows its messages.
  const bool is_new = frame.type == kHeaders && frame.stream > last_stream_;
  if (!is_new) return absl::OkStatus();
  last_stream_ = frame.stream;
  requests_[frame.stream] = 0;
  ++load_->calls;
  return CheckCalls();
}

absl::Status FrameGuard::CheckCalls() const {
  if (requests_.size() > kMostCalls) {
    return absl::ResourceExhaustedError(
        fmt::format("too many calls of one connection at once ({})", kMostCalls));
  }
  if (load_->calls > kMostCallsOfUser) {
    return absl::ResourceExhaustedError(
        fmt::format("too many calls of {} at once ({})", NameOfShare(uid_), kMostCallsOfUser));
  }
  return absl::OkStatus();
}

absl::Status FrameGuard::SeeData(const FrameReader::Frame& frame) {
  const auto request = requests_.find(frame.stream);
  if (request == requests_.end()) return absl::OkStatus();
  const size_t bytes = kFrameBytes + frame.length;
  request->second += bytes;
  load_->request_bytes += bytes;
  if (load_->request_bytes <= kMostRequestBytesOfUser) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("requests of {} that are not answered hold {} bytes, must hold at most {}",
                  NameOfShare(uid_), load_->request_bytes, kMostRequestBytesOfUser));
}

void FrameGuard::FromServer(std::string_view bytes) {
  from_server_
      .Take(bytes,
            [this](const FrameReader::Frame& frame) {
              SeeServerFrame(frame);
              return absl::OkStatus();
            })
      .IgnoreError();
}

void FrameGuard::SeeServerFrame(const FrameReader::Frame& frame) {
  const bool has_end = frame.type == kHeaders || frame.type == kData;
  if (frame.type == kRstStream || (has_end && (frame.flags & kEndStream) != 0)) End(frame.stream);
}

void FrameGuard::End(uint32_t stream) {
  const auto request = requests_.find(stream);
  if (request == requests_.end()) return;
  --load_->calls;
  load_->request_bytes -= request->second;
  requests_.erase(request);
}

std::string GoAwayFrame(uint32_t last_stream, std::string_view words) {
  std::string frame;
  AppendBigEndian(static_cast<uint32_t>(8 + words.size()), 3, &frame);
  frame.push_back(static_cast<char>(kGoAway));
  frame.push_back(0);
  AppendBigEndian(0, 4, &frame);
  AppendBigEndian(last_stream, 4, &frame);
  AppendBigEndian(kEnhanceYourCalm, 4, &frame);
  frame.append(words);
  return frame;
}

}  // namespace torchlap::rpc
