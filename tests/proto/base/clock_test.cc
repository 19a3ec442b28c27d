#include "proto/base/clock.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "proto/base/file_descriptor.h"
#include "tests/proto/base/settable_clock.h"

namespace torchlap {
namespace {

// Readable.
FileDescriptor Ready() { return FileDescriptor(::eventfd(1, EFD_CLOEXEC)); }
// Never readable.
FileDescriptor Silent() { return FileDescriptor(::eventfd(0, EFD_CLOEXEC)); }

TEST(ClockTest, ADeadlineThatHasPassedStillTellsWhatIsReady) {
  const FileDescriptor ready = Ready();
  const FileDescriptor silent = Silent();
  pollfd fds[] = {{silent.get(), POLLIN, 0}, {ready.get(), POLLIN, 0}, {-1, POLLIN, 0}};
  EXPECT_EQ(SystemClock().Poll(fds, 3, 0), 1);
  EXPECT_EQ(fds[0].revents, 0);
  EXPECT_EQ(fds[1].revents, POLLIN);
}

TEST(ClockTest, ASleepWithNothingReadyEndsNotBeforeItsDeadline) {
  const FileDescriptor silent = Silent();
  const int64_t deadline_ns = MonotonicNs() + 1'500'000;
  pollfd fd = {silent.get(), POLLIN, 0};
  EXPECT_EQ(SystemClock().Poll(&fd, 1, deadline_ns), 0);
  EXPECT_GE(MonotonicNs(), deadline_ns);
}

TEST(ClockTest, TheMonotonicClockIsTheKernels) {
  timespec now = {};
  const int64_t before_ns = MonotonicNs();
  ASSERT_EQ(::clock_gettime(CLOCK_MONOTONIC, &now), 0);
  const int64_t kernel_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  EXPECT_LE(before_ns, kernel_ns);
  EXPECT_LE(kernel_ns, SystemClock().MonotonicNs());
}

TEST(SettableClockTest, ASleepEndsWhenTheClockIsSetToItsDeadlineAndNotBefore) {
  SettableClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + 10;
  std::atomic<bool> slept = false;
  std::thread sleeper([&] {
    const FileDescriptor silent = Silent();
    pollfd fd = {silent.get(), POLLIN, 0};
    clock.Poll(&fd, 1, deadline_ns);
    slept = true;
  });
  ASSERT_TRUE(clock.AwaitSleepUntil(deadline_ns));
  clock.Advance(9);
  ASSERT_TRUE(clock.AwaitSleepUntil(deadline_ns));
  EXPECT_FALSE(slept);
  clock.Advance(1);
  sleeper.join();
  EXPECT_TRUE(slept);
}

TEST(SettableClockTest, ASleepEndsWhenADescriptorIsReadyThoughTheClockStands) {
  const SettableClock clock;
  const FileDescriptor ready = Ready();
  pollfd fd = {ready.get(), POLLIN, 0};
  EXPECT_EQ(clock.Poll(&fd, 1, Clock::kNever), 1);
}

}  // namespace
}  // namespace torchlap
