// When a suite is due. Pure: the zone of the daemon is handed in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "torchlap/v1/suites.pb.h"

namespace torchlap::rpc {

// Local time less UTC, in seconds, at a moment (seconds since 1970).
using UtcOffset = std::function<int64_t(int64_t unix_s)>;

// The machine's zone. Thread-safe.
int64_t SystemUtcOffset(int64_t unix_s);

// The first moment after `after_ns` that is this minute of a local day. Each local day has exactly
// one: of a minute that comes twice (clocks are set back) the first, and for one that does not come
// (they are set forward) the moment so long after the change as the minute lies behind it.
int64_t NextDaily(uint32_t minute_of_day, int64_t after_ns, const UtcOffset& offset);

// What is known of a suite when its time is asked for; host clock throughout.
struct SuiteHistory {
  int64_t added_at_ns = 0;
  int64_t last_at_ns = 0;  // 0: not yet
};

// The next time of one that runs daily, which has passed where it was missed; nothing for one that
// waits for idle devices. What lies more than a day ahead was noted by a clock that was wrong, and
// does not count.
std::optional<int64_t> NextTime(const v1::SuiteTime& time, const SuiteHistory& history,
                                int64_t now_ns, const UtcOffset& offset);

// How the devices are that a suite needs.
struct Idleness {
  bool has_work = false;  // one of them
  // When the last of them came to rest; nothing: longer ago than matters.
  std::optional<int64_t> since_ns;
};

struct SuiteMoment {
  bool is_due = false;
  // Otherwise: not before this.
  int64_t look_again_ns = 0;
};

// `idle` is read of suites that wait for it.
SuiteMoment MomentOf(const v1::SuiteTime& time, const SuiteHistory& history, const Idleness& idle,
                     int64_t now_ns, const UtcOffset& offset);

}  // namespace torchlap::rpc
