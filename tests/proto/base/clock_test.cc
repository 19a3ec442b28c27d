#include "proto/base/clock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace torchlap {
namespace {

class ClockTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(ends_.data()), 0); }
  void TearDown() override {
    for (const int end : ends_) close(end);
  }
  void Write() { ASSERT_EQ(write(ends_[1], "x", 1), 1); }

  std::array<int, 2> ends_ = {-1, -1};
  const Clock& clock_ = SystemClock();
};

TEST_F(ClockTest, MonotonicTimeNeverGoesBack) {
  int64_t before = clock_.MonotonicNs();
  for (int i = 0; i < 1000; ++i) {
    const int64_t now = clock_.MonotonicNs();
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST_F(ClockTest, TheFunctionsReadTheClocksOfTheMachine) {
  const int64_t wall_before = WallNs();
  const int64_t monotonic_before = MonotonicNs();
  const int64_t wall = clock_.WallNs();
  const int64_t monotonic = clock_.MonotonicNs();
  EXPECT_LE(monotonic_before, monotonic);
  EXPECT_LE(monotonic, MonotonicNs());
  EXPECT_GT(wall_before, 1'600'000'000'000'000'000) << "after 2020";
  EXPECT_GT(wall, 1'600'000'000'000'000'000);
}

TEST_F(ClockTest, PollReturnsAtOnceForADeadlineThatHasPassed) {
  pollfd nothing = {ends_[0], POLLIN, 0};
  for (const int64_t deadline : {int64_t{0}, int64_t{-5}, clock_.MonotonicNs() - 1}) {
    EXPECT_EQ(clock_.Poll(&nothing, 1, deadline), 0);
  }
}

TEST_F(ClockTest, PollReturnsNoEarlierThanTheDeadline) {
  pollfd nothing = {ends_[0], POLLIN, 0};
  for (const int64_t ns : {1, 999'999, 1'000'001, 2'500'000}) {
    const int64_t deadline = clock_.MonotonicNs() + ns;
    EXPECT_EQ(clock_.Poll(&nothing, 1, deadline), 0);
    EXPECT_GE(clock_.MonotonicNs(), deadline);
  }
}

TEST_F(ClockTest, PollReturnsWhenADescriptorIsReadyHoweverFarTheDeadline) {
  Write();
  for (const int64_t deadline :
       {Clock::kNever, clock_.MonotonicNs() + 3'600'000'000'000, Clock::kNever - 1}) {
    std::array<pollfd, 2> fds = {{{ends_[0], POLLIN, 0}, {-1, POLLIN, 0}}};
    EXPECT_EQ(clock_.Poll(fds.data(), fds.size(), deadline), 1);
    EXPECT_EQ(fds[0].revents, POLLIN);
    EXPECT_EQ(fds[1].revents, 0) << "passed over";
  }
}

TEST_F(ClockTest, PollIsWokenByAnotherThread) {
  std::jthread writer([this] { Write(); });
  pollfd ready = {ends_[0], POLLIN, 0};
  EXPECT_EQ(clock_.Poll(&ready, 1, Clock::kNever), 1);
}

TEST_F(ClockTest, PollOfNothingIsASleepToTheDeadline) {
  const int64_t deadline = clock_.MonotonicNs() + 1'000'000;
  EXPECT_EQ(clock_.Poll(nullptr, 0, deadline), 0);
  EXPECT_GE(clock_.MonotonicNs(), deadline);
}

}  // namespace
}  // namespace torchlap
