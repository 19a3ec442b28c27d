#include "client/parse_words.h"

#include <gtest/gtest.h>

#include <string>

namespace torchlap::client {
namespace {

TEST(Ratio, IsANumberOrAPercentage) {
  EXPECT_DOUBLE_EQ(*ParseRatio("--x", "0.01"), 0.01);
  EXPECT_DOUBLE_EQ(*ParseRatio("--x", "1%"), 0.01);
  EXPECT_DOUBLE_EQ(*ParseRatio("--x", "12.5%"), 0.125);
  EXPECT_DOUBLE_EQ(*ParseRatio("--x", "0"), 0);
  EXPECT_DOUBLE_EQ(*ParseRatio("--x", "-3"), -3) << "its range is the daemon's to check";
}

TEST(Ratio, IsNothingElse) {
  for (const std::string text : {"%", "x", "1x", "1 %", "1%%", "%1", "1,5", "0.01.", " 1", "1 ",
                                 "1e999", "-1e999", "inf", "nan", "inf%"}) {
    EXPECT_EQ(ParseRatio("--x", text).status().message(),
              "--x is " + text + ", must be a percentage (1%) or a ratio (0.01)");
  }
  EXPECT_EQ(ParseRatio("--x", "").status().message(),
            "--x is '', must be a percentage (1%) or a ratio (0.01)");
}

}  // namespace
}  // namespace torchlap::client
