#include "client/time_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchlap::client {
namespace {

using std::chrono::nanoseconds;
using testing::HasSubstr;

constexpr int64_t kNow = 1'769'860'800'000'000'000;  // 2026-01-31T12:00:00Z
constexpr int64_t kSecond = 1'000'000'000;

int64_t DurationNs(const std::string& text) {
  const auto duration = ParseDuration("--timeout", text);
  EXPECT_TRUE(duration.ok()) << duration.status();
  return duration.ok() ? duration->count() : -1;
}

int64_t TimeNs(const std::string& text) {
  const auto time = ParseTime("--since", text, kNow);
  EXPECT_TRUE(time.ok()) << time.status();
  return time.ok() ? *time : -1;
}

TEST(Durations, HaveUnits) {
  EXPECT_EQ(DurationNs("90s"), 90 * kSecond);
  EXPECT_EQ(DurationNs("15m"), 900 * kSecond);
  EXPECT_EQ(DurationNs("1h"), 3600 * kSecond);
  EXPECT_EQ(DurationNs("7d"), 7 * 86400 * kSecond);
  EXPECT_EQ(DurationNs("500ms"), kSecond / 2);
  EXPECT_EQ(DurationNs("1h30m"), 5400 * kSecond);
  EXPECT_EQ(DurationNs("1.5h"), 5400 * kSecond);
}

TEST(Durations, TakeEveryUnitAndItsFraction) {
  EXPECT_EQ(DurationNs("250ms"), kSecond / 4);
  EXPECT_EQ(DurationNs("0.5s"), kSecond / 2);
  EXPECT_EQ(DurationNs("3min"), 180 * kSecond);
  EXPECT_EQ(DurationNs("0.5m"), 30 * kSecond);
  EXPECT_EQ(DurationNs("0.25d"), 6 * 3600 * kSecond);
  EXPECT_EQ(DurationNs("2d3h4m5s6ms"), (2 * 86400 + 3 * 3600 + 4 * 60 + 5) * kSecond + 6'000'000);
  EXPECT_EQ(DurationNs("7"), 7 * kSecond);
}

TEST(Durations, EndAtAHundredYears) {
  EXPECT_EQ(DurationNs("36500d"), int64_t{36500} * 86400 * kSecond);
  EXPECT_FALSE(ParseDuration("--timeout", "36500d1s").ok());
  EXPECT_FALSE(ParseDuration("--timeout", "3153600001").ok());
  EXPECT_FALSE(ParseTime("--since", "36501d", kNow).ok());
}

TEST(Durations, AreSecondsWithoutAUnit) {
  EXPECT_EQ(DurationNs("30"), 30 * kSecond);
  EXPECT_EQ(DurationNs("0"), 0);
}

TEST(Durations, OfOtherFormsAreRefused) {
  for (const char* text :
       {"", "x", "-1s", "1y", "1h30", "h", "1..5s", "1 h", "1e3s", "99999999d", "inf", "nan"}) {
    const auto duration = ParseDuration("--time-limit", text);
    EXPECT_EQ(duration.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(duration.status().message()),
                HasSubstr(std::string("--time-limit is ") + text + ", must be"));
  }
}

TEST(Times, AreDatesInUtc) {
  EXPECT_EQ(TimeNs("2026-01-31"), kNow - 12 * 3600 * kSecond);
  EXPECT_EQ(TimeNs("1970-01-02"), 86400 * kSecond);
  EXPECT_EQ(TimeNs("2024-02-29"), 1'709'164'800 * kSecond);
  EXPECT_EQ(TimeNs("1970-01-01T00:00:00.000000001Z"), 1);
  EXPECT_EQ(TimeNs("2200-01-01"), 7'258'118'400 * kSecond);
  EXPECT_FALSE(ParseTime("--since", "1969-12-31", kNow).ok());
  EXPECT_FALSE(ParseTime("--since", "2201-01-01", kNow).ok());
}

TEST(Times, AreRfc3339WithZoneAndFraction) {
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00Z"), kNow);
  EXPECT_EQ(TimeNs("2026-01-31t12:00:00z"), kNow);
  EXPECT_EQ(TimeNs("2026-01-31 12:00:00Z"), kNow);
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00.25Z"), kNow + kSecond / 4);
  EXPECT_EQ(TimeNs("2026-01-31T13:30:00+01:30"), kNow);
  EXPECT_EQ(TimeNs("2026-01-31T04:00:00-08:00"), kNow);
}

// 12:00:00 is kNow: every part of a clock has its own weight and its own end.
TEST(Times, CountHoursMinutesAndSeconds) {
  EXPECT_EQ(TimeNs("2026-01-31T12:34:56Z"), kNow + (34 * 60 + 56) * kSecond);
  EXPECT_EQ(TimeNs("2026-01-31T13:01:01Z"), kNow + 3661 * kSecond);
  EXPECT_EQ(TimeNs("2026-01-31T12:00:07Z"), kNow + 7 * kSecond);
  EXPECT_EQ(TimeNs("2026-01-31T23:59:59.999999999Z"), kNow + 12 * 3600 * kSecond - 1);
  EXPECT_EQ(TimeNs("2026-01-31T00:00:01Z"), kNow + (1 - 12 * 3600) * kSecond);
  // A leap second is the first one of the next minute.
  EXPECT_EQ(TimeNs("2026-01-31T12:00:60Z"), kNow + 60 * kSecond);
}

TEST(Times, TakeFractionsOfUpToNineDigits) {
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00.5Z"), kNow + kSecond / 2);
  EXPECT_EQ(TimeNs("2026-01-31T12:00:01.123456789Z"), kNow + kSecond + 123'456'789);
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00.000000001Z"), kNow + 1);
  EXPECT_FALSE(ParseTime("--since", "2026-01-31T12:00:00.1234567890Z", kNow).ok());
}

TEST(Times, TakeEveryZone) {
  EXPECT_EQ(TimeNs("2026-01-31T12:00:05+00:01"), kNow + (5 - 60) * kSecond);
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00-00:30"), kNow + 1800 * kSecond);
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00+23:59"), kNow - (23 * 3600 + 59 * 60) * kSecond);
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00-23:00"), kNow + 23 * 3600 * kSecond);
  for (const char* zone : {"+24:00", "+00:60", "-24:00", "+1:00", "+0100", "+", "-", "+01", "Q"}) {
    EXPECT_FALSE(ParseTime("--since", std::string("2026-01-31T12:00:00") + zone, kNow).ok())
        << zone;
  }
}

TEST(Times, EndWhereAClockEnds) {
  for (const char* clock : {"24:00:00", "12:60:00", "12:00:61", "1:00:00", "12:0:00", "12:00:0",
                            "12-00:00", "12:00-00", "-1:00:00", "ab:00:00"}) {
    const std::string text = std::string("2026-01-31T") + clock + "Z";
    EXPECT_FALSE(ParseTime("--since", text, kNow).ok()) << text;
  }
  for (const char* date : {"2026_01-31", "2026-01_31", "2026-1--31", "2026-00-10", "2026-01-32",
                           "2026-01-00", "202a-01-31", "2026-01-31X12:00:00Z"}) {
    EXPECT_FALSE(ParseTime("--since", date, kNow).ok()) << date;
  }
}

TEST(Times, BeforeTheClockBeganAreItsFirstMoment) {
  EXPECT_EQ(TimeNs("36500d"), 1) << "0 would leave the filter open";
  const auto now_itself = ParseTime("--since", "10s", 10 * kSecond);
  EXPECT_EQ(*now_itself, 1);
  EXPECT_EQ(*ParseTime("--since", "9s", 10 * kSecond), kSecond);
}

TEST(Times, ThatAreRefusedSayWhatWouldDo) {
  EXPECT_EQ(ParseTime("--until", "tomorrow", kNow).status().message(),
            "--until is tomorrow, must be a date (2026-01-31), a time (2026-01-31T12:00:00Z) or a "
            "time ago (7d, 12h, 7d ago)");
}

TEST(Times, AreAgesWithAUnit) {
  EXPECT_EQ(TimeNs("7d"), kNow - 7 * 86400 * kSecond);
  EXPECT_EQ(TimeNs("7d ago"), kNow - 7 * 86400 * kSecond);
  EXPECT_EQ(TimeNs("1h30m  ago"), kNow - 5400 * kSecond);
  EXPECT_EQ(TimeNs("90m"), kNow - 5400 * kSecond);
}

TEST(Times, OfOtherFormsAreRefused) {
  for (const char* text : {"", "7", "2026-02-30", "2026-13-01", "2026-1-1", "2026-01-31T12:00:00",
                           "2026-01-31T25:00:00Z", "2026-01-31T12:00Z", "2026-01-31T12:00:00.Z",
                           "2026-01-31T12:00:00Zx", "20260131", "-7d", "tomorrow", "ago", " ago",
                           "7dago", "7 ago", "7d ago ", "2026-01-31 ago"}) {
    EXPECT_FALSE(ParseTime("--since", text, kNow).ok()) << text;
  }
}

TEST(Rfc3339, ShowsMicrosecondsInUtc) {
  EXPECT_EQ(Rfc3339(kNow), "2026-01-31T12:00:00.000000Z");
  EXPECT_EQ(Rfc3339(kNow + 123'456'789), "2026-01-31T12:00:00.123456Z");
  EXPECT_EQ(Rfc3339(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(Rfc3339(-1), "1969-12-31T23:59:59.999999Z");
}

TEST(ShortDurations, RoundToWhatAPersonNeeds) {
  EXPECT_EQ(ShortDuration(nanoseconds(850'000'000)), "850 ms");
  EXPECT_EQ(ShortDuration(nanoseconds(999'600'000)), "1 s");
  EXPECT_EQ(ShortDuration(nanoseconds(12'400'000'000)), "12 s");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(185)), "3 min 5 s");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(7800)), "2 h 10 min");
  EXPECT_EQ(ShortDuration(std::chrono::minutes(1)), "1 min");
  EXPECT_EQ(ShortDuration(std::chrono::hours(76)), "3 d 4 h");
}

TEST(ShortDurations, ChangeTheirUnitsWhereTheSmallerOneIsFull) {
  EXPECT_EQ(ShortDuration(nanoseconds(0)), "0 ms");
  EXPECT_EQ(ShortDuration(nanoseconds(999'400'000)), "999 ms");
  EXPECT_EQ(ShortDuration(nanoseconds(999'500'000)), "1 s");
  EXPECT_EQ(ShortDuration(nanoseconds(59'499'000'000)), "59 s");
  EXPECT_EQ(ShortDuration(nanoseconds(59'500'000'000)), "1 min");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(61)), "1 min 1 s");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(3599)), "59 min 59 s");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(3600)), "1 h");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(3600 + 119)), "1 h 1 min");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(86399)), "23 h 59 min");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(86400)), "1 d");
  EXPECT_EQ(ShortDuration(std::chrono::seconds(86400 + 7199)), "1 d 1 h");
}

TEST(Clock, IsTheHostsInNanoseconds) {
  const int64_t now = UnixNowNs();
  EXPECT_GT(now, kNow / 2);
  EXPECT_EQ(Rfc3339(now).size(), Rfc3339(kNow).size());
}

}  // namespace
}  // namespace torchlap::client
