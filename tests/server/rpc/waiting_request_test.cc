#include "server/rpc/waiting_request.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/rpc/work_threads.h"

namespace torchlap::rpc {
namespace {

constexpr WorkThreads::Share kAnn = {1001, WorkThreads::Size::kSmall};

using Request = WaitingRequest<std::string>;

std::unique_ptr<Request> Wait(CallsInProgress* calls, const std::string& bytes) {
  auto call = calls->Begin(bytes.size());
  EXPECT_TRUE(call.ok());
  return std::make_unique<Request>(*std::move(call), bytes);
}

TEST(WaitingRequest, IsHandedOutWhenItsTurnComes) {
  CallsInProgress calls("uid 1001");
  const auto request = Wait(&calls, "request");
  EXPECT_EQ(calls.held().request_bytes, 7U);
  EXPECT_EQ(request->Begin(), "request");
  EXPECT_EQ(calls.held().request_bytes, 7U) << "who works on it says when it is let go";
}

TEST(WaitingRequest, OneThatIsGivenUpIsLetGoAtOnceAndNotBegun) {
  CallsInProgress calls("uid 1001");
  auto request = Wait(&calls, std::string(1000, 'r'));
  request->GiveUp();
  EXPECT_EQ(calls.held().request_bytes, 0U);
  EXPECT_EQ(calls.held().calls, 1U) << "the call itself waits for its turn to end";
  EXPECT_EQ(request->Begin(), std::nullopt);
  request.reset();
  EXPECT_EQ(calls.held().calls, 0U);
}

TEST(WaitingRequest, OneThatWasBegunKeepsWhatItHolds) {
  CallsInProgress calls("uid 1001");
  const auto request = Wait(&calls, "request");
  ASSERT_TRUE(request->Begin());
  ASSERT_TRUE(request->call()->HoldRequest(5000).ok());
  request->GiveUp();
  EXPECT_EQ(calls.held().request_bytes, 5000U);
}

// As a user does who opens, sends and resets again and again.
TEST(WaitingRequest, WhoSendsAndGivesUpManyHoldsNoMoreThanOneWhoWaits) {
  CallsInProgress calls("uid 1001");
  std::vector<std::unique_ptr<Request>> waiting;
  for (size_t i = 0; i < CallsInProgress::kMostCalls; ++i) {
    waiting.push_back(Wait(&calls, std::string(10'000, 'r')));
    if (i % 2 == 0) waiting.back()->GiveUp();
  }
  EXPECT_EQ(calls.held().request_bytes, 10'000 * CallsInProgress::kMostCalls / 2);
  EXPECT_FALSE(calls.Begin(1).ok()) << "those that wait for their turn to end are calls, too";
}

TEST(WaitingRequest, OfThoseThatWaitForATurnTheOnesGivenUpAreNotBegun) {
  CallsInProgress calls("uid 1001");
  std::atomic<bool> is_open = false;
  std::atomic<int> begun = 0;
  std::atomic<int> ended = 0;
  std::vector<std::unique_ptr<Request>> waiting;
  for (int i = 0; i < 100; ++i) waiting.push_back(Wait(&calls, "request"));
  {
    WorkThreads threads(1);
    threads.Post(kAnn, [&] {
      while (!is_open) std::this_thread::yield();
    });
    for (const auto& request : waiting) {
      threads.Post(kAnn, [&, request = request.get()] {
        if (request->Begin()) ++begun;
        ++ended;
      });
    }
    for (size_t i = 0; i < 60; ++i) waiting[i]->GiveUp();
    is_open = true;
  }
  EXPECT_EQ(begun, 40);
  EXPECT_EQ(ended, 100);
}

TEST(WaitingRequest, MayBeGivenUpWhileItIsBegun) {
  CallsInProgress calls("uid 1001");
  for (int round = 0; round < 500; ++round) {
    const auto request = Wait(&calls, "request");
    std::optional<std::string> bytes;
    {
      std::jthread caller([&] { request->GiveUp(); });
      bytes = request->Begin();
    }
    EXPECT_EQ(calls.held().request_bytes, bytes ? 7U : 0U);
  }
  EXPECT_EQ(calls.held().calls, 0U);
}

}  // namespace
}  // namespace torchlap::rpc
