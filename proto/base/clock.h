// What time it is. Whoever reads a clock or sleeps is handed one, so that tests set it.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace torchlap {

// Thread-safe.
class Clock {
 public:
  // As a deadline: not at all.
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  virtual ~Clock() = default;

  // ns since 1970; may be set back.
  virtual int64_t WallNs() const = 0;
  // ns of CLOCK_MONOTONIC: never goes back, says nothing of the date.
  virtual int64_t MonotonicNs() const = 0;
  // poll(2) until a descriptor is ready or MonotonicNs() is at the deadline. Sleeping is the
  // clock's too: a clock that is set past the deadline ends the sleep. Returns how many are ready;
  // 0 at the deadline, or after a signal. An entry with a negative descriptor is passed over.
  virtual int Poll(pollfd* descriptors, size_t count, int64_t deadline_ns) const = 0;
};

// The machine's. Lives for ever.
const Clock& SystemClock();

// The machine's clocks, read directly: for code that measures, and for defaults.
int64_t WallNs();
int64_t MonotonicNs();

}  // namespace torchlap
