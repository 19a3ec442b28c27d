// The service over real gRPC, with threads that a test holds up.
#include "server/rpc/service.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "tests/server/rpc/calls_fixture.h"
#include "tests/server/rpc/waiting_for_grpc.h"

namespace torchlap::rpc {
namespace {

constexpr WorkThreads::Share kBob = {1001, WorkThreads::Size::kSmall};

// A connection of its own, and a way to break it.
struct Client {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Torchlap::Stub> stub;
  FileDescriptor socket;
};

class ServiceTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    service_ =
        std::make_unique<Service>(1000, ann_, &*calls_, held_, &storage_threads_, &stream_threads_);
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    builder.SetMaxReceiveMessageSize(64 << 20);
    server_ = builder.BuildAndStart();
  }
  void TearDown() override {
    Open();
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
    service_.reset();
  }

  Client Connect() {
    std::array<int, 2> fds = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()), 0);
    Client client;
    client.socket.reset(::dup(fds[1]));
    grpc::AddInsecureChannelFromFd(server_.get(), fds[0]);
    client.channel = grpc::CreateInsecureChannelFromFd("pair", fds[1]);
    client.stub = v1::Torchlap::NewStub(client.channel);
    return client;
  }

  // Bob's task has the only turn until Open().
  void HoldUp(WorkThreads* threads) {
    is_open_ = false;
    std::atomic<bool> is_held = false;
    threads->Post(kBob, [this, &is_held] {
      is_held = true;
      while (!is_open_) std::this_thread::yield();
    });
    while (!is_held) std::this_thread::yield();
  }
  void Open() { is_open_ = true; }

  std::shared_ptr<CallsInProgress> held_ = std::make_shared<CallsInProgress>("uid 1000");
  std::atomic<bool> is_open_ = true;
  WorkThreads storage_threads_{1};
  WorkThreads stream_threads_{1};
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

// How a caller may leave.
enum class Leaves { kNot, kCancels, kIsLate, kIsGone };

TEST_F(ServiceTest, ACallWhoseCallerLeftWhileItWaitedForItsTurnIsNotBegun) {
  for (const Leaves leaves : {Leaves::kNot, Leaves::kCancels, Leaves::kIsLate, Leaves::kIsGone}) {
    const int round = static_cast<int>(leaves);
    const uint64_t id = SubmitOne(storage::MakeJob());
    HoldUp(&storage_threads_);
    const Client client = Connect();
    grpc::ClientContext context;
    const bool is_late = leaves == Leaves::kIsLate;
    context.set_deadline(std::chrono::system_clock::now() +
                         (is_late ? std::chrono::seconds(2) : kDeadline));
    v1::CancelJobsRequest request;
    request.mutable_selector()->add_job_ids(id);
    v1::CancelJobsResponse response;
    grpc::Status status;
    std::jthread caller([&] { status = client.stub->CancelJobs(&context, request, &response); });
    ASSERT_TRUE(Eventually([&] { return held_->held().calls == 1; })) << round;
    if (leaves == Leaves::kCancels) context.TryCancel();
    if (leaves == Leaves::kIsGone) ::shutdown(client.socket.get(), SHUT_RDWR);
    if (leaves != Leaves::kNot) {
      caller.join();
      EXPECT_FALSE(status.ok()) << round;
      // What it sent is let go, though its turn has not come.
      EXPECT_TRUE(Eventually([&] { return held_->held().request_bytes == 0; })) << round;
      EXPECT_EQ(held_->held().calls, 1U) << round;
    }
    Open();
    EXPECT_TRUE(Eventually([&] { return held_->held().calls == 0; })) << round;
    if (caller.joinable()) caller.join();
    EXPECT_EQ(Get(id).state(),
              leaves == Leaves::kNot ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_QUEUED)
        << round;
  }
}

TEST_F(ServiceTest, AStreamWhoseCallerLeftWhileItWaitedIsLetGoBeforeItsTurn) {
  RunToEnd(storage::MakeJob());
  for (const bool cancels : {true, false}) {
    HoldUp(&stream_threads_);
    const Client client = Connect();
    grpc::ClientContext context;
    v1::ExportRunsRequest request;
    request.mutable_filter()->mutable_selector()->set_all(true);
    const auto stream = client.stub->ExportRuns(&context, request);
    ASSERT_TRUE(Eventually([&] { return held_->held().request_bytes > 0; }));
    if (cancels) {
      context.TryCancel();
    } else {
      ::shutdown(client.socket.get(), SHUT_RDWR);
    }
    EXPECT_TRUE(Eventually([&] { return held_->held().request_bytes == 0; }));
    EXPECT_FALSE(stream->Finish().ok());
    Open();
    EXPECT_TRUE(Eventually([&] { return held_->held().calls == 0; }));
  }
}

TEST_F(ServiceTest, CallsLeaveNothingBehind) {
  RunToEnd(storage::MakeJob());
  const Client client = Connect();
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext unary;
    v1::ListRunsResponse runs;
    EXPECT_TRUE(client.stub->ListRuns(&unary, v1::ListRunsRequest(), &runs).ok());
    EXPECT_EQ(runs.runs_size(), 1);
    grpc::ClientContext streaming;
    v1::ExportRunsRequest request;
    request.mutable_filter()->mutable_selector()->set_all(true);
    const auto stream = client.stub->ExportRuns(&streaming, request);
    v1::ExportRunsResponse rows;
    EXPECT_TRUE(stream->Read(&rows));
    EXPECT_EQ(rows.rows_size(), 1);
    EXPECT_FALSE(stream->Read(&rows));
    EXPECT_TRUE(stream->Finish().ok());
  }
  EXPECT_TRUE(Eventually([this] { return held_->held().calls == 0; }));
  EXPECT_EQ(held_->held().request_bytes, 0U);
  EXPECT_EQ(held_->held().unread_bytes, 0U);
}

TEST_F(ServiceTest, WhoIsFullOfUnreadPagesMayStillAskHowThingsAreAndCancel) {
  auto pages = held_->Begin(0);
  ASSERT_TRUE(pages.ok());
  (*pages)->HoldAnswer(CallsInProgress::kMostUnreadBytes + 1);
  const uint64_t id = SubmitOne(storage::MakeJob());
  const Client client = Connect();
  grpc::ClientContext asking;
  v1::GetDaemonStatusResponse daemon;
  EXPECT_TRUE(client.stub->GetDaemonStatus(&asking, {}, &daemon).ok());
  grpc::ClientContext cancelling;
  v1::CancelJobsRequest request;
  request.mutable_selector()->add_job_ids(id);
  v1::CancelJobsResponse cancelled;
  EXPECT_TRUE(client.stub->CancelJobs(&cancelling, request, &cancelled).ok());
  grpc::ClientContext listing;
  v1::ListRunsResponse runs;
  const grpc::Status refused = client.stub->ListRuns(&listing, v1::ListRunsRequest(), &runs);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), testing::HasSubstr("read them, or end"));
  grpc::ClientContext paging;
  v1::ListJobsResponse jobs;
  EXPECT_EQ(client.stub->ListJobs(&paging, v1::ListJobsRequest(), &jobs).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  grpc::ClientContext watching;
  v1::WatchJobsRequest all;
  all.mutable_selector()->set_all(true);
  EXPECT_EQ(client.stub->WatchJobs(&watching, all)->Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

// A call of a method with these bytes as its request.
grpc::Status Send(const Client& client, const std::string& method, const std::string& bytes) {
  grpc::GenericStub stub(client.channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::CompletionQueue queue;
  const auto call =
      stub.PrepareUnaryCall(&context, "/torchlap.v1.Torchlap/" + method, request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  call->Finish(&response, &status, &tag);
  queue.Next(&tag, &ok);
  return status;
}

std::string Times(const std::string& one, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += one;
  return all;
}

TEST_F(ServiceTest, ARequestThatWouldBecomeLargeIsRefusedBeforeItIsDecoded) {
  if (kIsUnderTsan) GTEST_SKIP() << kTooLargeForTsan;
  using namespace std::string_literals;
  const Client client = Connect();
  // Two bytes each: some 300 MB of empty jobs, 70 MB of empty texts.
  const std::string jobs = Times("\x1a\x00"s, 1'000'000);
  const std::string ids = "\x0a\x80\x89\x7a"s + Times("\x12\x00"s, 1'000'000);
  for (const auto& [method, bytes, words] : std::vector<std::array<std::string, 3>>{
           {"SubmitJobs", jobs, "`jobs`"},
           {"ListJobs", ids, "`run_ids`"},
           {"CancelJobs", ids, "`run_ids`"},
           {"ListRuns", "\x0a\x84\x89\x7a"s + ids, "`run_ids`"},
           {"ExportRuns", "\x0a\x84\x89\x7a"s + ids, "`run_ids`"},
           {"WatchJobs", ids, "`run_ids`"}}) {
    const grpc::Status status = Send(client, method, bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_THAT(status.error_message(), testing::HasSubstr("bytes of memory")) << method;
    EXPECT_THAT(status.error_message(), testing::HasSubstr(words)) << method;
  }
  EXPECT_TRUE(Eventually([this] { return held_->held().calls == 0; }));
  EXPECT_EQ(held_->held().request_bytes, 0U);
}

TEST_F(ServiceTest, EachMethodHasALengthThatItsRequestsDoNotNeed) {
  if (kIsUnderTsan) GTEST_SKIP() << kTooLargeForTsan;
  const Client client = Connect();
  const std::string bytes(kLimitOfOthers.bytes + 1, '\0');
  for (const char* method : {"GetJob", "ListJobs", "CancelJobs", "WatchJobs", "GetRun", "ReadTrace",
                             "ExportRuns", "GetDaemonStatus", "Doctor"}) {
    const grpc::Status status = Send(client, method, bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_EQ(status.error_message(), "the request has 6291457 bytes, must have at most 6291456");
  }
}

TEST_F(ServiceTest, WhatIsNoRequestIsRefusedInWords) {
  const Client client = Connect();
  for (const char* method : {"SubmitJobs", "ListRuns", "WatchJobs", "GetRun"}) {
    for (const std::string& bytes : {std::string("\x0b"), std::string("\x0a\x05x")}) {
      const grpc::Status status = Send(client, method, bytes);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
      EXPECT_EQ(status.error_message(),
                "the request cannot be read, must be a " + std::string(method) + "Request");
    }
  }
}

TEST_F(ServiceTest, AnHonestListOfThousandsIsTaken) {
  const uint64_t id = SubmitOne(storage::MakeJob());
  const Client client = Connect();
  v1::ListJobsRequest request;
  for (int i = 0; i < 100'000; ++i) request.mutable_selector()->add_job_ids(id);
  grpc::ClientContext context;
  v1::ListJobsResponse response;
  const grpc::Status status = client.stub->ListJobs(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.jobs_size(), 1);
}

}  // namespace
}  // namespace torchlap::rpc
