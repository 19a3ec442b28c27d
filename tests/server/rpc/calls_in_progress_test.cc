#include "server/rpc/calls_in_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace torchlap::rpc {
namespace {

TEST(CallsInProgress, SoManyAtOnceAndWhenOneEndsAnother) {
  CallsInProgress calls(1001);
  for (size_t i = 0; i < CallsInProgress::kMostCalls; ++i) ASSERT_TRUE(calls.Begin().ok()) << i;
  for (int i = 0; i < 3; ++i) {
    const absl::Status refused = calls.Begin();
    EXPECT_TRUE(absl::IsResourceExhausted(refused));
    EXPECT_EQ(refused.message(), "too many calls of uid 1001 at once (1000)");
  }
  calls.End();
  EXPECT_TRUE(calls.Begin().ok());
  EXPECT_FALSE(calls.Begin().ok());
}

TEST(CallsInProgress, AnswersThatNobodyReadsStopTheNext) {
  CallsInProgress calls(7);
  EXPECT_TRUE(calls.MayAnswer().ok());
  // One may be as large as a message may be.
  calls.Answered(CallsInProgress::kMostUnreadBytes);
  EXPECT_TRUE(calls.MayAnswer().ok());
  calls.Answered(5);
  EXPECT_TRUE(absl::IsResourceExhausted(calls.MayAnswer()));
  EXPECT_THAT(std::string(calls.MayAnswer().message()), testing::HasSubstr("uid 7"));
  calls.Taken(5);
  EXPECT_TRUE(calls.MayAnswer().ok());
  calls.Taken(CallsInProgress::kMostUnreadBytes);
  EXPECT_TRUE(calls.MayAnswer().ok());
}

TEST(CallsInProgress, ThoseWhoBeginAtOnceAreCountedEachOnce) {
  CallsInProgress calls(1);
  std::atomic<size_t> begun = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (size_t n = 0; n < CallsInProgress::kMostCalls; ++n) {
          if (calls.Begin().ok()) ++begun;
        }
      });
    }
  }
  EXPECT_LE(begun, CallsInProgress::kMostCalls);
  EXPECT_FALSE(calls.Begin().ok() && calls.Begin().ok() && calls.Begin().ok() &&
               calls.Begin().ok() && calls.Begin().ok());
}

}  // namespace
}  // namespace torchlap::rpc
