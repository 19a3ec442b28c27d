#include "proto/frames.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "torchlap/v1/worker.pb.h"

namespace torchlap {
namespace {

using Result = FrameDecoder::Result;

// A length that takes `varint_bytes` and has no body behind it.
std::string Length(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}

v1::WorkerEvent Hello(const std::string& version) {
  v1::WorkerEvent event;
  event.mutable_hello()->set_torch_version(version);
  return event;
}

std::vector<std::string> VersionsIn(FrameDecoder* decoder) {
  std::vector<std::string> versions;
  v1::WorkerEvent event;
  while (decoder->Next(&event) == Result::kFrame) versions.push_back(event.hello().torch_version());
  return versions;
}

TEST(Frames, ComeOutWholeWhereverTheStreamIsSplit) {
  // The second one is long enough for a length of two bytes.
  const std::string long_version(300, 'v');
  const std::string stream = EncodeFrame(Hello("first")) + EncodeFrame(Hello(long_version)) +
                             EncodeFrame(v1::WorkerEvent());
  for (size_t split = 0; split <= stream.size(); ++split) {
    FrameDecoder decoder;
    decoder.Feed(std::string_view(stream).substr(0, split));
    std::vector<std::string> versions = VersionsIn(&decoder);
    decoder.Feed(std::string_view(stream).substr(split));
    for (const std::string& version : VersionsIn(&decoder)) versions.push_back(version);
    EXPECT_EQ(versions, (std::vector<std::string>{"first", long_version, ""})) << split;
    EXPECT_EQ(decoder.pending_bytes(), 0U) << split;
  }
}

TEST(Frames, ComeOutWholeByteByByte) {
  const std::string stream = EncodeFrame(Hello("a")) + EncodeFrame(Hello(std::string(200, 'b')));
  FrameDecoder decoder;
  std::vector<std::string> versions;
  for (const char byte : stream) {
    decoder.Feed(std::string_view(&byte, 1));
    for (const std::string& version : VersionsIn(&decoder)) versions.push_back(version);
  }
  EXPECT_EQ(versions, (std::vector<std::string>{"a", std::string(200, 'b')}));
}

TEST(Frames, AFrameThatIsCutShortStaysPending) {
  const std::string stream = EncodeFrame(Hello("cut"));
  FrameDecoder decoder;
  decoder.Feed(std::string_view(stream).substr(0, stream.size() - 1));
  v1::WorkerEvent event;
  EXPECT_EQ(decoder.Next(&event), Result::kNeedMore);
  EXPECT_EQ(decoder.pending_bytes(), stream.size() - 1);
}

TEST(Frames, ALengthThatNeverEndsIsGarbage) {
  FrameDecoder decoder;
  decoder.Feed(std::string(16, '\xff'));
  v1::WorkerEvent event;
  EXPECT_EQ(decoder.Next(&event), Result::kGarbage);
}

TEST(Frames, BytesThatAreNoMessageAreGarbage) {
  FrameDecoder decoder;
  decoder.Feed(Length(3) + "\xff\xff\xff");
  v1::WorkerEvent event;
  EXPECT_EQ(decoder.Next(&event), Result::kGarbage);
}

TEST(Frames, TheLongestFrameWaitsForItsBodyAndALongerOneIsGarbage) {
  v1::WorkerEvent event;
  FrameDecoder longest;
  longest.Feed(Length(kMaxFrameBytes));
  EXPECT_EQ(longest.Next(&event), Result::kNeedMore);
  FrameDecoder longer;
  longer.Feed(Length(kMaxFrameBytes + 1));
  EXPECT_EQ(longer.Next(&event), Result::kGarbage);
  FrameDecoder beyond_int;
  beyond_int.Feed(Length(0xffffffff));
  EXPECT_EQ(beyond_int.Next(&event), Result::kGarbage);
}

TEST(Frames, AFrameOfTheGreatestLengthArrives) {
  // 5 bytes of tags and lengths around the text, each length of this size taking 3 or 4 bytes.
  std::string version(kMaxFrameBytes - 8, 'x');
  const std::string stream = EncodeFrame(Hello(version));
  ASSERT_LE(stream.size(), kMaxFrameBytes + 4);
  FrameDecoder decoder;
  decoder.Feed(stream);
  EXPECT_EQ(VersionsIn(&decoder), std::vector<std::string>{version});
}

}  // namespace
}  // namespace torchlap
