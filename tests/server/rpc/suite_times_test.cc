#include "server/rpc/suite_times.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

namespace torchlap::rpc {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMinuteNs = 60 * kSecondNs;
constexpr int64_t kHourNs = 60 * kMinuteNs;
constexpr int64_t kDayNs = 24 * kHourNs;

// 2026-03-29, when Central Europe's clocks go from 2:00 to 3:00, and 2026-10-25, when they go from
// 3:00 to 2:00, both at 1:00 UTC.
constexpr int64_t kSpringDay = 20'541;
constexpr int64_t kAutumnDay = 20'751;
constexpr int64_t kSpringNs = kSpringDay * kDayNs + kHourNs;
constexpr int64_t kAutumnNs = kAutumnDay * kDayNs + kHourNs;

int64_t CentralEurope(int64_t unix_s) {
  const bool is_summer = unix_s >= kSpringNs / kSecondNs && unix_s < kAutumnNs / kSecondNs;
  return is_summer ? 7200 : 3600;
}
int64_t Utc(int64_t) { return 0; }

constexpr uint32_t At(uint32_t hour, uint32_t minute = 0) { return hour * 60 + minute; }

v1::SuiteTime Daily(uint32_t minute_of_day) {
  v1::SuiteTime time;
  time.set_minute_of_day(minute_of_day);
  return time;
}

v1::SuiteTime WhenIdle(int64_t idle_ns, int64_t every_ns = 0) {
  v1::SuiteTime time;
  time.set_idle_ns(idle_ns);
  time.set_at_most_every_ns(every_ns);
  return time;
}

TEST(NextDaily, IsTodayOrTomorrow) {
  const int64_t midnight_ns = 20'000 * kDayNs;
  EXPECT_EQ(NextDaily(At(2), midnight_ns, Utc), midnight_ns + 2 * kHourNs);
  EXPECT_EQ(NextDaily(At(2), midnight_ns + 2 * kHourNs - 1, Utc), midnight_ns + 2 * kHourNs);
  EXPECT_EQ(NextDaily(At(2), midnight_ns + 2 * kHourNs, Utc), midnight_ns + 26 * kHourNs);
  EXPECT_EQ(NextDaily(At(0), midnight_ns, Utc), midnight_ns + kDayNs);
  EXPECT_EQ(NextDaily(At(23, 59), midnight_ns, Utc), midnight_ns + kDayNs - kMinuteNs);
}

TEST(NextDaily, IsOfLocalDays) {
  const auto new_york = [](int64_t) { return int64_t{-5} * 3600; };
  const auto auckland = [](int64_t) { return int64_t{13} * 3600; };
  const int64_t midnight_ns = 20'000 * kDayNs;
  EXPECT_EQ(NextDaily(At(2), midnight_ns, new_york), midnight_ns + 7 * kHourNs);
  EXPECT_EQ(NextDaily(At(2), midnight_ns, auckland), midnight_ns + 13 * kHourNs);
}

TEST(NextDaily, AMinuteThatDoesNotComeIsMadeUpBehindTheChange) {
  EXPECT_EQ(NextDaily(At(2, 30), kSpringDay * kDayNs, CentralEurope), kSpringNs + 30 * kMinuteNs);
  EXPECT_EQ(NextDaily(At(2), kSpringDay * kDayNs, CentralEurope), kSpringNs);
  EXPECT_EQ(NextDaily(At(3), kSpringDay * kDayNs, CentralEurope), kSpringNs);
}

TEST(NextDaily, OfAMinuteThatComesTwiceTheFirstCounts) {
  const int64_t first_ns = kAutumnNs - 30 * kMinuteNs;
  EXPECT_EQ(NextDaily(At(2, 30), kAutumnDay * kDayNs, CentralEurope), first_ns);
  EXPECT_EQ(NextDaily(At(2, 30), first_ns, CentralEurope), first_ns + 25 * kHourNs);
}

TEST(NextDaily, EveryDayHasOneWhateverTheClocksDo) {
  for (const uint32_t minute : {At(0), At(1, 59), At(2), At(2, 30), At(3), At(23, 59)}) {
    std::vector<int64_t> times;
    for (int64_t at_ns = 20'530 * kDayNs; at_ns < 20'760 * kDayNs;) {
      at_ns = NextDaily(minute, at_ns, CentralEurope);
      times.push_back(at_ns);
    }
    std::set<int64_t> days;
    for (const int64_t at_ns : times) {
      const int64_t local_s = at_ns / kSecondNs + CentralEurope(at_ns / kSecondNs);
      EXPECT_TRUE(days.insert(local_s / 86'400).second) << "twice on a day, minute " << minute;
    }
    EXPECT_EQ(*days.rbegin() - *days.begin() + 1, static_cast<int64_t>(days.size()))
        << "a day without, minute " << minute;
  }
}

TEST(SystemUtcOffset, IsLessThanADay) {
  EXPECT_LT(SystemUtcOffset(1'790'000'000), 86'400);
  EXPECT_GT(SystemUtcOffset(1'790'000'000), -86'400);
}

class DailySuite : public testing::Test {
 protected:
  bool IsDue(int64_t now_ns) const {
    return MomentOf(Daily(At(2)), history_, {}, now_ns, Utc).is_due;
  }
  int64_t LookAgain(int64_t now_ns) const {
    return MomentOf(Daily(At(2)), history_, {}, now_ns, Utc).look_again_ns;
  }
  const int64_t two_ns_ = 20'000 * kDayNs + 2 * kHourNs;
  SuiteHistory history_;
};

TEST_F(DailySuite, BeginsAtTheNextTimeAfterItWasAdded) {
  history_.added_at_ns = two_ns_ + kHourNs;
  EXPECT_FALSE(IsDue(two_ns_ + kHourNs));
  EXPECT_EQ(LookAgain(two_ns_ + kHourNs), two_ns_ + kDayNs);
  EXPECT_FALSE(IsDue(two_ns_ + kDayNs - 1));
  EXPECT_TRUE(IsDue(two_ns_ + kDayNs));
}

TEST_F(DailySuite, DaysThatWereMissedAreMadeUpOnce) {
  history_.added_at_ns = two_ns_ - kHourNs;
  const int64_t back_ns = two_ns_ + 5 * kDayNs + 7 * kHourNs;
  EXPECT_TRUE(IsDue(back_ns));
  history_.last_at_ns = back_ns;
  EXPECT_FALSE(IsDue(back_ns + 1));
  EXPECT_EQ(LookAgain(back_ns + 1), two_ns_ + 6 * kDayNs);
}

TEST_F(DailySuite, AClockThatIsSetBackMakesNoSecondTime) {
  history_.added_at_ns = two_ns_ - kDayNs;
  history_.last_at_ns = two_ns_ + kMinuteNs;
  EXPECT_FALSE(IsDue(two_ns_ - kMinuteNs));
  EXPECT_FALSE(IsDue(two_ns_));
  EXPECT_TRUE(IsDue(two_ns_ + kDayNs));
}

TEST_F(DailySuite, WhatAWrongClockNotedDoesNotKeepItFromRunning) {
  history_.added_at_ns = two_ns_ - kDayNs;
  history_.last_at_ns = two_ns_ + 4000 * kDayNs;
  EXPECT_TRUE(IsDue(two_ns_ + kMinuteNs));
  EXPECT_EQ(NextTime(Daily(At(2)), history_, two_ns_ - kHourNs, Utc), two_ns_);
}

class IdleSuite : public testing::Test {
 protected:
  SuiteMoment Look(const Idleness& idle, int64_t every_ns = 0) const {
    return MomentOf(WhenIdle(10 * kMinuteNs, every_ns), history_, idle, now_ns_, Utc);
  }
  const int64_t now_ns_ = 20'000 * kDayNs;
  SuiteHistory history_;
};

TEST_F(IdleSuite, WaitsUntilItsDevicesHaveRestedForSoLong) {
  EXPECT_TRUE(Look({false, std::nullopt}).is_due);
  EXPECT_TRUE(Look({false, now_ns_ - 10 * kMinuteNs}).is_due);
  const SuiteMoment soon = Look({false, now_ns_ - 9 * kMinuteNs});
  EXPECT_FALSE(soon.is_due);
  EXPECT_EQ(soon.look_again_ns, now_ns_ + kMinuteNs);
}

TEST_F(IdleSuite, LooksAtBusyDevicesNoEarlierThanTheyCanHaveRested) {
  const SuiteMoment busy = Look({true, std::nullopt});
  EXPECT_FALSE(busy.is_due);
  EXPECT_EQ(busy.look_again_ns, now_ns_ + 10 * kMinuteNs);
}

TEST_F(IdleSuite, RunsNoMoreOftenThanItMay) {
  history_.last_at_ns = now_ns_ - kHourNs;
  EXPECT_FALSE(Look({}).is_due);
  EXPECT_EQ(Look({}).look_again_ns, now_ns_ + 23 * kHourNs);
  EXPECT_TRUE(Look({}, kHourNs).is_due);
  history_.last_at_ns = now_ns_ + 4000 * kDayNs;
  EXPECT_TRUE(Look({}).is_due) << "noted by a wrong clock";
}

TEST_F(IdleSuite, ARunOfTheFutureEndedNow) {
  const SuiteMoment moment = Look({false, now_ns_ + 4000 * kDayNs});
  EXPECT_FALSE(moment.is_due);
  EXPECT_EQ(moment.look_again_ns, now_ns_ + 10 * kMinuteNs);
}

TEST_F(IdleSuite, HasNoNextTime) {
  EXPECT_FALSE(NextTime(WhenIdle(kHourNs), history_, now_ns_, Utc));
}

}  // namespace
}  // namespace torchlap::rpc
