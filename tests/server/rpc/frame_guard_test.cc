#include "server/rpc/frame_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/server/rpc/http2_frames.h"

namespace torchlap::rpc {
namespace {

class FrameGuardTest : public testing::Test {
 protected:
  std::unique_ptr<FrameGuard> Guard() {
    auto guard = std::make_unique<FrameGuard>(1001, &load_);
    EXPECT_TRUE(guard->FromClient(kHttp2Preface).ok());
    EXPECT_TRUE(guard->FromClient(Http2Frame(kSettingsFrame, 0, 0, "")).ok());
    return guard;
  }
  static std::string Call(uint32_t stream) {
    return Http2Frame(kHeadersFrame, kEndHeadersFlag, stream, "headers");
  }

  UserLoad load_;
};

TEST_F(FrameGuardTest, CallsAreCountedUntilTheyAreAnsweredOrGivenUp) {
  const auto guard = Guard();
  for (const uint32_t stream : {1U, 3U, 5U}) {
    ASSERT_TRUE(guard->FromClient(Call(stream)).ok());
    ASSERT_TRUE(guard->FromClient(Http2Frame(kDataFrame, kEndStreamFlag, stream, "request")).ok());
  }
  EXPECT_EQ(load_.calls, 3U);
  EXPECT_EQ(load_.request_bytes, 3 * (9 + 7U));
  guard->FromServer(Http2Frame(kHeadersFrame, kEndHeadersFlag, 1, "200"));
  guard->FromServer(Http2Frame(kDataFrame, 0, 1, "answer"));
  EXPECT_EQ(load_.calls, 3U) << "the answer has not ended";
  guard->FromServer(Http2Frame(kHeadersFrame, kEndHeadersFlag | kEndStreamFlag, 1, "trailers"));
  EXPECT_EQ(load_.calls, 2U);
  EXPECT_TRUE(guard->FromClient(Http2Frame(kRstStreamFrame, 0, 3, "0008")).ok());
  guard->FromServer(Http2Frame(kRstStreamFrame, 0, 5, "0000"));
  EXPECT_EQ(load_.calls, 0U);
  EXPECT_EQ(load_.request_bytes, 0U);
}

TEST_F(FrameGuardTest, BytesMayComeInAnyPieces) {
  const std::string bytes =
      std::string(kHttp2Preface) + Http2Frame(kSettingsFrame, 0, 0, "123456") + Call(1) +
      Http2Frame(kDataFrame, kEndStreamFlag, 1, std::string(300, 'x')) + Call(3);
  for (const size_t piece : {1U, 2U, 5U, 9U, 10U, 64U, 1000U}) {
    UserLoad load;
    FrameGuard guard(1001, &load);
    for (size_t begin = 0; begin < bytes.size(); begin += piece) {
      ASSERT_TRUE(guard.FromClient(bytes.substr(begin, piece)).ok()) << piece;
    }
    EXPECT_EQ(load.calls, 2U) << piece;
    EXPECT_EQ(load.request_bytes, 309U) << piece;
    EXPECT_EQ(guard.last_stream(), 3U);
  }
}

TEST_F(FrameGuardTest, WhatIsNoHttp2IsToldApart) {
  for (const char* text : {"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/1.0\r\n", "x"}) {
    UserLoad load;
    EXPECT_TRUE(absl::IsInvalidArgument(FrameGuard(1001, &load).FromClient(text))) << text;
  }
  UserLoad load;
  EXPECT_TRUE(FrameGuard(1001, &load).FromClient("PRI *").ok()) << "it may go on so";
}

// gRPC counts the bytes of each frame anew, and keeps all of a field that does not end.
TEST_F(FrameGuardTest, HeadersWithoutEndAreStopped) {
  for (const size_t size : {0U, 1U, 1000U, 16384U}) {
    const auto guard = Guard();
    ASSERT_TRUE(guard->FromClient(Http2Frame(kHeadersFrame, 0, 1, std::string(100, 'h'))).ok());
    absl::Status status;
    size_t sent = 0;
    while (status.ok() && sent < 10 * FrameGuard::kMostHeaderBytes) {
      status = guard->FromClient(Http2Frame(kContinuationFrame, 0, 1, std::string(size, 'h')));
      sent += 9 + size;
    }
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << size;
    EXPECT_LE(sent, FrameGuard::kMostHeaderBytes + 9 + size);
  }
}

TEST_F(FrameGuardTest, HeadersOfManyCallsAreNotAddedUp) {
  const auto guard = Guard();
  for (uint32_t stream = 1; stream < 2000; stream += 2) {
    ASSERT_TRUE(
        guard->FromClient(Http2Frame(kHeadersFrame, kEndHeadersFlag, stream, std::string(500, 'h')))
            .ok());
    guard->FromServer(Http2Frame(kHeadersFrame, kEndHeadersFlag | kEndStreamFlag, stream, ""));
  }
}

TEST_F(FrameGuardTest, CallsOfAConnectionHaveALimitThatNeedsNoAcknowledgement) {
  const auto guard = Guard();
  absl::Status status;
  uint32_t stream = 1;
  for (; status.ok() && stream < 10'000; stream += 2) status = guard->FromClient(Call(stream));
  EXPECT_EQ(status.message(), "too many calls of one connection at once (1100)");
  EXPECT_EQ(stream / 2, FrameGuard::kMostCalls + 1);
}

TEST_F(FrameGuardTest, CallsOfAllConnectionsOfAUserHaveALimit) {
  std::vector<std::unique_ptr<FrameGuard>> guards;
  absl::Status status;
  while (status.ok() && guards.size() < 64) {
    guards.push_back(Guard());
    for (uint32_t stream = 1; status.ok() && stream < 200; stream += 2) {
      status = guards.back()->FromClient(Call(stream));
    }
  }
  EXPECT_EQ(status.message(), "too many calls of uid 1001 at once (1200)");
  EXPECT_EQ(load_.calls, 1201U);
  guards.clear();
  EXPECT_EQ(load_.calls, 0U);
  EXPECT_EQ(load_.connections, 0U);
}

TEST_F(FrameGuardTest, HalfSentRequestsOfAUserHaveALimit) {
  std::vector<std::unique_ptr<FrameGuard>> guards;
  const std::string half = Http2Frame(kDataFrame, 0, 1, std::string(1 << 20, 'x'));
  absl::Status status;
  size_t sent = 0;
  while (status.ok() && guards.size() < 200) {
    guards.push_back(Guard());
    ASSERT_TRUE(guards.back()->FromClient(Call(1)).ok());
    status = guards.back()->FromClient(half);
    sent += half.size();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_LE(sent, FrameGuard::kMostRequestBytesOfUser + half.size());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("requests of uid 1001"));
}

TEST(GoAwayFrame, IsOneFrameWithTheWordsAtItsEnd) {
  const std::string frame = GoAwayFrame(5, "too many");
  std::vector<FrameReader::Frame> frames;
  FrameReader reader;
  EXPECT_TRUE(reader
                  .Take(frame,
                        [&](const FrameReader::Frame& one) {
                          frames.push_back(one);
                          return absl::OkStatus();
                        })
                  .ok());
  EXPECT_TRUE(reader.is_at_boundary());
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].type, 7);
  EXPECT_EQ(frames[0].length, 16U);
  EXPECT_EQ(frame.substr(9 + 8), "too many");
}

}  // namespace
}  // namespace torchlap::rpc
