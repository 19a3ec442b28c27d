#include "tests/proto/base/settable_clock.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "proto/base/file_descriptor.h"

namespace torchlap {
namespace {

// Readable.
FileDescriptor Ready() { return FileDescriptor(::eventfd(1, EFD_CLOEXEC)); }
// Never readable.
FileDescriptor Silent() { return FileDescriptor(::eventfd(0, EFD_CLOEXEC)); }

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
