// That requests are let go where they are said to be.
#include "server/rpc/message_bytes.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/rpc/waiting_request.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {
namespace {

// Bytes that tell when nobody holds them any more.
class MessageBytesTest : public testing::Test {
 protected:
  grpc::ByteBuffer Of(std::string text) {
    text_ = std::move(text);
    const grpc::Slice slice(
        text_.data(), text_.size(), [](void* freed) { ++*static_cast<int*>(freed); }, &freed_);
    return {&slice, 1};
  }
  static std::string Request(int jobs) {
    v1::CancelJobsRequest request;
    for (int id = 1; id <= jobs; ++id) request.mutable_selector()->add_job_ids(1000 + id);
    return request.SerializeAsString();
  }
  std::unique_ptr<CallsInProgress::Call> Begin(const grpc::ByteBuffer& bytes) {
    return *calls_.Begin(bytes.Length());
  }

  std::string text_;
  int freed_ = 0;
  CallsInProgress calls_{"uid 1001"};
};

TEST_F(MessageBytesTest, ARequestThatIsUnpackedLeavesNoBytes) {
  for (const int jobs : {10, 1000, 50'000}) {
    grpc::ByteBuffer bytes = Of(Request(jobs));
    const auto call = Begin(bytes);
    freed_ = 0;
    v1::CancelJobsRequest request;
    ASSERT_TRUE(Unpack(&bytes, kLimitOfOthers, call.get(), &request).ok());
    EXPECT_EQ(freed_, 1) << jobs;
    EXPECT_EQ(request.selector().job_ids_size(), jobs);
    EXPECT_GE(calls_.held().request_bytes, static_cast<size_t>(jobs) * 8);
  }
}

TEST_F(MessageBytesTest, OneThatIsRefusedLeavesNoneEither) {
  for (const std::string& text : {std::string(1000, '\xff'), Request(1000), Request(3)}) {
    grpc::ByteBuffer bytes = Of(text);
    const auto call = Begin(bytes);
    const auto others = calls_.Begin(CallsInProgress::kMostRequestBytes - bytes.Length());
    ASSERT_TRUE(others.ok());
    freed_ = 0;
    v1::CancelJobsRequest request;
    EXPECT_FALSE(Unpack(&bytes, kLimitOfOthers, call.get(), &request).ok());
    EXPECT_EQ(freed_, 1);
  }
}

TEST_F(MessageBytesTest, OneThatWaitedForItsTurnIsHeldByNobodyElse) {
  grpc::ByteBuffer bytes = Of(Request(1000));
  auto call = Begin(bytes);
  WaitingRequest<grpc::ByteBuffer> waiting(std::move(call), bytes);
  bytes.Clear();
  std::optional<grpc::ByteBuffer> asked = waiting.Begin();
  ASSERT_TRUE(asked);
  EXPECT_EQ(freed_, 0);
  v1::CancelJobsRequest request;
  ASSERT_TRUE(Unpack(&*asked, kLimitOfOthers, waiting.call(), &request).ok());
  EXPECT_EQ(freed_, 1);
}

}  // namespace
}  // namespace torchlap::rpc
