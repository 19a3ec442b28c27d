#include "server/rpc/suite_times.h"

#include <algorithm>
#include <ctime>

namespace torchlap::rpc {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMinuteS = 60;
constexpr int64_t kDayS = 86'400;
constexpr int64_t kDayNs = kDayS * kSecondNs;

// Rounded down, also before 1970.
int64_t FloorDivide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

int64_t LocalDay(int64_t unix_s, const UtcOffset& offset) {
  return FloorDivide(unix_s + offset(unix_s), kDayS);
}

// The moment of a local day's minute.
int64_t MomentOn(int64_t day, uint32_t minute, const UtcOffset& offset) {
  const int64_t local_s = day * kDayS + int64_t{minute} * kMinuteS;
  // The offsets on both sides of a change, if there is one near.
  const int64_t before_s = offset(local_s - kDayS);
  const int64_t after_s = offset(local_s + kDayS);
  const int64_t first_s = local_s - std::max(before_s, after_s);
  const int64_t second_s = local_s - std::min(before_s, after_s);
  for (const int64_t unix_s : {first_s, second_s}) {
    if (unix_s + offset(unix_s) == local_s) return unix_s;
  }
  // It does not come: by the offset before the change it is as late as it would have been.
  return local_s - before_s;
}

// Of a clock that was set back by more than a day since.
bool IsOfWrongClock(int64_t noted_ns, int64_t now_ns) { return noted_ns > now_ns + kDayNs; }

// Since when a time counts as missed.
int64_t Since(const SuiteHistory& history, int64_t now_ns) {
  int64_t since_ns = 0;
  for (const int64_t noted_ns : {history.added_at_ns, history.last_at_ns}) {
    if (!IsOfWrongClock(noted_ns, now_ns)) since_ns = std::max(since_ns, noted_ns);
  }
  return since_ns;
}

int64_t EveryNs(const v1::SuiteTime& time) {
  return time.at_most_every_ns() > 0 ? time.at_most_every_ns() : kDayNs;
}

SuiteMoment IdleMoment(const v1::SuiteTime& time, const SuiteHistory& history, const Idleness& idle,
                       int64_t now_ns) {
  int64_t at_ns = 0;
  if (idle.has_work) {
    at_ns = now_ns + time.idle_ns();
  } else if (idle.since_ns) {
    // A clock that was set back makes no rest longer.
    at_ns = std::min(*idle.since_ns, now_ns) + time.idle_ns();
  }
  if (history.last_at_ns > 0 && !IsOfWrongClock(history.last_at_ns, now_ns)) {
    at_ns = std::max(at_ns, history.last_at_ns + EveryNs(time));
  }
  return {!idle.has_work && at_ns <= now_ns, at_ns};
}

}  // namespace

int64_t SystemUtcOffset(int64_t unix_s) {
  const auto moment = static_cast<std::time_t>(unix_s);
  std::tm local{};
  if (::localtime_r(&moment, &local) == nullptr) return 0;
  return local.tm_gmtoff;
}

int64_t NextDaily(uint32_t minute_of_day, int64_t after_ns, const UtcOffset& offset) {
  // A day too early: a change may have moved it over midnight.
  int64_t day = LocalDay(FloorDivide(after_ns, kSecondNs), offset) - 1;
  int64_t at_ns = MomentOn(day, minute_of_day, offset) * kSecondNs;
  while (at_ns <= after_ns) at_ns = MomentOn(++day, minute_of_day, offset) * kSecondNs;
  return at_ns;
}

std::optional<int64_t> NextTime(const v1::SuiteTime& time, const SuiteHistory& history,
                                int64_t now_ns, const UtcOffset& offset) {
  if (time.has_idle_ns()) return std::nullopt;
  return NextDaily(time.minute_of_day(), Since(history, now_ns), offset);
}

SuiteMoment MomentOf(const v1::SuiteTime& time, const SuiteHistory& history, const Idleness& idle,
                     int64_t now_ns, const UtcOffset& offset) {
  const auto daily_ns = NextTime(time, history, now_ns, offset);
  if (!daily_ns) return IdleMoment(time, history, idle, now_ns);
  return {*daily_ns <= now_ns, *daily_ns};
}

}  // namespace torchlap::rpc
