// A clock that stands still until a test sets it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

#include "proto/base/clock.h"

namespace torchlap {

// Thread-safe. Descriptors are real: a sleep ends when one is ready, or when the clock is set to
// its deadline.
class SettableClock final : public Clock {
 public:
  int64_t WallNs() const override;
  int64_t MonotonicNs() const override;
  int Poll(pollfd* descriptors, size_t count, int64_t deadline_ns) const override;

  // Both clocks go on by so much.
  void Advance(int64_t ns);

  // Waits until some thread sleeps until just this time, and sleeps: none of its descriptors is
  // ready. False: nobody did for ten seconds.
  bool AwaitSleepUntil(int64_t deadline_ns) const;
  // How often anybody fell asleep, and waiting for that.
  uint64_t sleeps() const;
  bool AwaitSleeps(uint64_t count) const;

 private:
  struct Sleeper {
    int wake_fd = -1;
    int64_t deadline_ns = 0;
    bool asleep = false;  // nothing was ready when it looked
  };

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  int64_t now_ns_ = 1'000'000'000'000;
  mutable uint64_t sleeps_ = 0;
  mutable uint64_t next_id_ = 0;
  mutable std::map<uint64_t, Sleeper> sleepers_;
};

}  // namespace torchlap
