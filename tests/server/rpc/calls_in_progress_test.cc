#include "server/rpc/calls_in_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace torchlap::rpc {
namespace {

using Call = std::unique_ptr<CallsInProgress::Call>;
using Size = WorkThreads::Size;

// Begun, or null.
Call Begin(CallsInProgress* calls, size_t request_bytes = 0) {
  auto call = calls->Begin(request_bytes);
  return call.ok() ? *std::move(call) : nullptr;
}

TEST(CallsInProgress, SoManyAtOnceAndWhenOneEndsAnother) {
  CallsInProgress calls("uid 1001");
  std::vector<Call> begun;
  for (size_t i = 0; i < CallsInProgress::kMostCalls; ++i) {
    begun.push_back(Begin(&calls));
    ASSERT_NE(begun.back(), nullptr) << i;
  }
  for (int i = 0; i < 3; ++i) {
    const absl::Status refused = calls.Begin(0).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused));
    EXPECT_EQ(refused.message(), "too many calls of uid 1001 at once (1000)");
  }
  begun.pop_back();
  EXPECT_NE(Begin(&calls), nullptr);
  begun.clear();
  EXPECT_EQ(calls.held().calls, 0U);
}

TEST(CallsInProgress, AnswersThatNobodyReadsStopTheNext) {
  CallsInProgress calls("uid 7");
  const Call one = Begin(&calls);
  EXPECT_TRUE(calls.MayAnswer(Size::kLarge).ok());
  // One may be as large as a message may be.
  one->HoldAnswer(CallsInProgress::kMostUnreadBytes);
  EXPECT_TRUE(calls.MayAnswer(Size::kLarge).ok());
  Call other = Begin(&calls);
  other->HoldAnswer(5);
  const absl::Status refused = calls.MayAnswer(Size::kLarge);
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("uid 7 has not read"));
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("read them, or end"));
  other.reset();
  EXPECT_TRUE(calls.MayAnswer(Size::kLarge).ok());
  one->HoldAnswer(0);
  EXPECT_EQ(calls.held().unread_bytes, 0U);
}

TEST(CallsInProgress, SmallAnswersHaveAReserve) {
  CallsInProgress calls("uid 7");
  const Call pages = Begin(&calls);
  pages->HoldAnswer(CallsInProgress::kMostUnreadBytes + 1);
  EXPECT_FALSE(calls.MayAnswer(Size::kLarge).ok());
  EXPECT_TRUE(calls.MayAnswer(Size::kSmall).ok());
  // Which has an end, too.
  const Call small = Begin(&calls);
  small->HoldAnswer(CallsInProgress::kReserveBytes);
  EXPECT_TRUE(absl::IsResourceExhausted(calls.MayAnswer(Size::kSmall)));
  small->HoldAnswer(100);
  EXPECT_TRUE(calls.MayAnswer(Size::kSmall).ok());
}

TEST(CallsInProgress, RequestsHaveALimitTogetherUntilTheyAreLetGo) {
  CallsInProgress calls("uid 1001");
  constexpr size_t kMiB = size_t{1} << 20;
  constexpr size_t kMost = CallsInProgress::kMostRequestBytes / kMiB;
  std::vector<Call> begun;
  for (size_t i = 0; i < kMost; ++i) {
    begun.push_back(Begin(&calls, kMiB));
    ASSERT_NE(begun.back(), nullptr) << i;
  }
  EXPECT_EQ(calls.held().request_bytes, kMost * kMiB);
  const absl::Status refused = calls.Begin(1).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("requests of uid 1001"));
  EXPECT_EQ(calls.held().calls, kMost) << "who is refused is not counted";
  EXPECT_NE(Begin(&calls), nullptr) << "a request of nothing is no burden";

  // What it becomes counts instead of what it was.
  EXPECT_FALSE(begun[0]->HoldRequest(kMiB + 1).ok());
  EXPECT_TRUE(begun[0]->HoldRequest(10).ok());
  EXPECT_TRUE(begun[1]->HoldRequest(kMiB + 1).ok());
  begun[2]->LetGoOfRequest();
  EXPECT_EQ(calls.held().request_bytes, (kMost - 2) * kMiB + 11);
  begun.clear();
  EXPECT_EQ(calls.held().request_bytes, 0U);
}

TEST(CallsInProgress, ThoseWhoBeginAtOnceAreCountedEachOnce) {
  CallsInProgress calls("uid 1");
  std::atomic<size_t> begun = 0;
  {
    std::vector<std::vector<Call>> held(4);
    {
      std::vector<std::jthread> threads;
      for (std::vector<Call>& mine : held) {
        threads.emplace_back([&calls, &begun, &mine] {
          for (size_t n = 0; n < CallsInProgress::kMostCalls; ++n) {
            Call call = Begin(&calls, 100);
            if (call == nullptr) continue;
            call->HoldAnswer(n);
            mine.push_back(std::move(call));
            ++begun;
          }
        });
      }
    }
    EXPECT_EQ(begun, CallsInProgress::kMostCalls);
    EXPECT_EQ(calls.held().request_bytes, 100 * CallsInProgress::kMostCalls);
  }
  EXPECT_EQ(calls.held().calls, 0U);
  EXPECT_EQ(calls.held().request_bytes, 0U);
  EXPECT_EQ(calls.held().unread_bytes, 0U);
}

}  // namespace
}  // namespace torchlap::rpc
