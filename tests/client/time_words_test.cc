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
}

TEST(Times, AreRfc3339WithZoneAndFraction) {
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00Z"), kNow);
  EXPECT_EQ(TimeNs("2026-01-31t12:00:00z"), kNow);
  EXPECT_EQ(TimeNs("2026-01-31 12:00:00Z"), kNow);
  EXPECT_EQ(TimeNs("2026-01-31T12:00:00.25Z"), kNow + kSecond / 4);
  EXPECT_EQ(TimeNs("2026-01-31T13:30:00+01:30"), kNow);
  EXPECT_EQ(TimeNs("2026-01-31T04:00:00-08:00"), kNow);
}

TEST(Times, AreAgesWithAUnit) {
  EXPECT_EQ(TimeNs("7d"), kNow - 7 * 86400 * kSecond);
  EXPECT_EQ(TimeNs("90m"), kNow - 5400 * kSecond);
}

TEST(Times, OfOtherFormsAreRefused) {
  for (const char* text : {"", "7", "2026-02-30", "2026-13-01", "2026-1-1", "2026-01-31T12:00:00",
                           "2026-01-31T25:00:00Z", "2026-01-31T12:00Z", "2026-01-31T12:00:00.Z",
                           "2026-01-31T12:00:00Zx", "20260131", "-7d", "tomorrow"}) {
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

}  // namespace
}  // namespace torchlap::client
