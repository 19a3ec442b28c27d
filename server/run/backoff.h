// How long to leave alone what only time heals: a full disk, no descriptors left.
#pragma once

#include <algorithm>
#include <cstdint>

namespace torchlap::run {

// 2 s after the first failure, twice as long after each further one, a minute at most.
class Backoff {
 public:
  static constexpr int64_t kFirstNs = 2'000'000'000;
  static constexpr int64_t kLongestNs = 60'000'000'000;

  // A failure: the pause after it.
  int64_t NextNs() {
    const int64_t pause_ns = next_ns_;
    next_ns_ = std::min(2 * next_ns_, kLongestNs);
    return pause_ns;
  }
  void Succeeded() { next_ns_ = kFirstNs; }

 private:
  int64_t next_ns_ = kFirstNs;
};

}  // namespace torchlap::run
