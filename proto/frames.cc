#include "proto/frames.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>

#include <cstdint>

namespace torchlap {
namespace {

constexpr size_t kMaxVarintBytes = 5;  // kMaxFrameBytes needs 3; 5 hold any uint32

}  // namespace

std::string EncodeFrame(const google::protobuf::MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  google::protobuf::util::SerializeDelimitedToCodedStream(message, &coded);
  coded.Trim();
  return bytes;
}

void FrameDecoder::Feed(std::string_view bytes) {
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_.append(bytes);
}

FrameDecoder::Result FrameDecoder::Next(google::protobuf::MessageLite* message) {
  const size_t available = pending_bytes();
  google::protobuf::io::CodedInputStream input(
      reinterpret_cast<const uint8_t*>(buffer_.data()) + begin_, static_cast<int>(available));
  uint32_t length = 0;
  if (!input.ReadVarint32(&length)) {
    return available < kMaxVarintBytes ? Result::kNeedMore : Result::kGarbage;
  }
  if (length > kMaxFrameBytes) return Result::kGarbage;
  const auto header = static_cast<size_t>(input.CurrentPosition());
  if (available - header < length) return Result::kNeedMore;
  if (!message->ParseFromArray(buffer_.data() + begin_ + header, static_cast<int>(length))) {
    return Result::kGarbage;
  }
  begin_ += header + length;
  return Result::kFrame;
}

}  // namespace torchlap
