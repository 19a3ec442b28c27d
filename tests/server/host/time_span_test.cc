#include "server/host/time_span.h"

#include <gtest/gtest.h>

#include <string>

namespace torchlap::host {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

TEST(TimeSpan, ReadsOneNumberWithItsUnit) {
  EXPECT_EQ(*ParseTimeSpan("x", "90s"), 90 * kSecondNs);
  EXPECT_EQ(*ParseTimeSpan("x", "15m"), 900 * kSecondNs);
  EXPECT_EQ(*ParseTimeSpan("x", "24h"), 86'400 * kSecondNs);
  EXPECT_EQ(*ParseTimeSpan("x", "1.5h"), 5400 * kSecondNs);
  EXPECT_EQ(*ParseTimeSpan("x", "7d"), 604'800 * kSecondNs);
  EXPECT_EQ(*ParseTimeSpan("x", "0.001s"), 1'000'000);
}

TEST(TimeSpan, RefusesWhatIsNoneAndWhatNoRunMayHave) {
  for (const char* text : {"", "h", "24", "24 h", "24H", "0h", "-1h", "0.0001s", "7.1d", "8d", "1w",
                           "nan", "inf", "1h30m", "1e3s", "0x1s", " 1h", "1h "}) {
    const auto ns = ParseTimeSpan("max_time_limit", text);
    EXPECT_EQ(ns.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(ns.status().message(),
              "max_time_limit is '" + std::string(text) +
                  "', must be a time like 90m, 24h or 7d, which is the most");
  }
}

TEST(TimeSpan, IsPrintedInTheLargestUnitThatItIsAWholeNumberOf) {
  EXPECT_EQ(PrintTimeSpan(604'800 * kSecondNs), "7d");
  EXPECT_EQ(PrintTimeSpan(172'800 * kSecondNs), "2d");
  EXPECT_EQ(PrintTimeSpan(86'400 * kSecondNs), "24h");
  EXPECT_EQ(PrintTimeSpan(90'000 * kSecondNs), "25h");
  EXPECT_EQ(PrintTimeSpan(5400 * kSecondNs), "90m");
  EXPECT_EQ(PrintTimeSpan(60 * kSecondNs), "1m");
  EXPECT_EQ(PrintTimeSpan(61 * kSecondNs), "61s");
  EXPECT_EQ(PrintTimeSpan(90'500'000'000), "90.5s");
  EXPECT_EQ(PrintTimeSpan(1'000'000), "0.001s");
}

}  // namespace
}  // namespace torchlap::host
