// Streams over real gRPC whose readers do not read.
#include "server/rpc/stream_writer.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/rpc/message_bytes.h"
#include "tests/server/rpc/waiting_for_grpc.h"
#include "torchlap/v1/service.grpc.pb.h"

namespace torchlap::rpc {
namespace {

constexpr WorkThreads::Share kAnn = {1000, WorkThreads::Size::kLarge};
constexpr size_t kPieceBytes = size_t{128} << 10;

// Its stream has no end.
class Endless final : public v1::Torchlap::WithRawCallbackMethod_ReadTrace<v1::Torchlap::Service> {
 public:
  grpc::ServerWriteReactor<grpc::ByteBuffer>* ReadTrace(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request) override {
    auto call = calls_.Begin(0);
    EXPECT_TRUE(call.ok());
    auto* const stream =
        new StreamWriter(context, &threads_, kAnn, &calls_, *std::move(call), TakeOut(request));
    threads_.Post(kAnn, [stream] {
      v1::ReadTraceResponse piece;
      piece.set_data(std::string(kPieceBytes, 't'));
      if (stream->Begin()) {
        while (stream->Write(Packed(piece))) continue;
      }
      stream->End(absl::CancelledError("the reader is gone"));
    });
    return stream;
  }

  CallsInProgress& calls() { return calls_; }

 private:
  CallsInProgress calls_{"uid 1000"};
  WorkThreads threads_{2};
};

class StreamWriterTest : public testing::Test {
 protected:
  struct Reader {
    std::unique_ptr<v1::Torchlap::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::ReadTraceResponse>> stream;
  };

  void SetUp() override {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  void TearDown() override {
    for (const auto& reader : readers_) reader->context.TryCancel();
    readers_.clear();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  // A connection of its own, of which one message was read.
  Reader* Read() {
    std::array<int, 2> fds = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()), 0);
    readers_.push_back(std::make_unique<Reader>());
    Reader* const reader = readers_.back().get();
    grpc::AddInsecureChannelFromFd(server_.get(), fds[0]);
    reader->stub = v1::Torchlap::NewStub(grpc::CreateInsecureChannelFromFd("pair", fds[1]));
    reader->stream = reader->stub->ReadTrace(&reader->context, v1::ReadTraceRequest());
    v1::ReadTraceResponse piece;
    EXPECT_TRUE(reader->stream->Read(&piece));
    EXPECT_EQ(piece.data().size(), kPieceBytes);
    return reader;
  }
  CallsInProgress::Amount held() { return service_.calls().held(); }

  Endless service_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

TEST_F(StreamWriterTest, AMessageCountsUntilItWasTaken) {
  Reader* const lazy = Read();
  EXPECT_TRUE(Eventually([this] { return held().unread_bytes > kPieceBytes; }));
  EXPECT_LT(held().unread_bytes, 2 * kPieceBytes) << "one message at a time";
  lazy->context.TryCancel();
  EXPECT_TRUE(Eventually([this] { return held().calls == 0; }));
  EXPECT_EQ(held().unread_bytes, 0U);
}

// Nobody reads, and nobody leaves: else the daemon would hold a call and its message for as long as
// the client likes.
TEST_F(StreamWriterTest, OfTooManyThatAreNotReadTheOnesGivenUpAreLetGoOf) {
  constexpr size_t kMore = 4;
  for (size_t i = 0; i < WorkThreads::kMostAsideOfOne + kMore; ++i) Read();
  EXPECT_TRUE(Eventually([this] { return held().calls <= WorkThreads::kMostAsideOfOne; }))
      << held().calls << " calls";
  EXPECT_TRUE(Eventually(
      [this] { return held().unread_bytes <= WorkThreads::kMostAsideOfOne * 2 * kPieceBytes; }));
}

TEST_F(StreamWriterTest, WhoHasTooMuchUnreadIsToldSo) {
  Reader* const reader = Read();
  auto pages = service_.calls().Begin(0);
  ASSERT_TRUE(pages.ok());
  (*pages)->HoldAnswer(CallsInProgress::kMostUnreadBytes + 1);
  v1::ReadTraceResponse piece;
  while (reader->stream->Read(&piece)) continue;
  const grpc::Status status = reader->stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("has not read"));
}

}  // namespace
}  // namespace torchlap::rpc
