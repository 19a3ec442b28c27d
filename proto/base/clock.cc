#include "proto/base/clock.h"

#include <algorithm>
#include <chrono>

namespace torchlap {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kLongestSleepMs = 86'400'000;

// As poll wants it, rounded up so that the deadline has passed when poll returns. A far deadline is
// slept for in pieces.
int TimeoutMs(int64_t deadline_ns) {
  if (deadline_ns == Clock::kNever) return -1;
  const int64_t left_ns = std::max<int64_t>(0, deadline_ns - MonotonicNs());
  return static_cast<int>(std::min((left_ns + kNsPerMs - 1) / kNsPerMs, kLongestSleepMs));
}

class MachineClock final : public Clock {
 public:
  int64_t WallNs() const override { return torchlap::WallNs(); }
  int64_t MonotonicNs() const override { return torchlap::MonotonicNs(); }
  int Poll(pollfd* descriptors, size_t count, int64_t deadline_ns) const override {
    return std::max(0, ::poll(descriptors, count, TimeoutMs(deadline_ns)));
  }
};

}  // namespace

const Clock& SystemClock() {
  static const MachineClock clock;
  return clock;
}

int64_t WallNs() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

int64_t MonotonicNs() {
  // libstdc++'s steady_clock is CLOCK_MONOTONIC.
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace torchlap
