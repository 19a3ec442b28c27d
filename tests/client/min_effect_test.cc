#include "client/min_effect.h"

#include <gtest/gtest.h>

#include <string>

namespace torchlap::client {
namespace {

TEST(MinEffect, IsAShare) {
  EXPECT_DOUBLE_EQ(ParseMinEffect("1%")->share, 0.01);
  EXPECT_DOUBLE_EQ(ParseMinEffect("0.02")->share, 0.02);
  EXPECT_DOUBLE_EQ(ParseMinEffect("100%")->share, 1);
  EXPECT_FALSE(ParseMinEffect("1%")->learned);
}

TEST(MinEffect, IsLearnedOnDemand) {
  EXPECT_TRUE(ParseMinEffect("learned")->learned);
  EXPECT_EQ(ParseMinEffect("learned")->share, 0);
}

TEST(MinEffect, IsTheServicesChoiceWhereNothingIsSaid) {
  EXPECT_EQ(ParseMinEffect(std::nullopt)->share, 0);
  EXPECT_FALSE(ParseMinEffect(std::nullopt)->learned);
}

TEST(MinEffect, IsNothingElse) {
  for (const std::string text : {"0", "0%", "-1%", "1.01", "101%", "learn", "nan", "1 %"}) {
    const auto effect = ParseMinEffect(text);
    EXPECT_TRUE(absl::IsInvalidArgument(effect.status())) << text;
    EXPECT_EQ(effect.status().message(),
              "--min-effect is " + text +
                  ", must be a share above 0 and at most 1 (1%, 0.01), or learned");
  }
  EXPECT_EQ(ParseMinEffect("").status().message(),
            "--min-effect is '', must be a share above 0 and at most 1 (1%, 0.01), or learned");
}

}  // namespace
}  // namespace torchlap::client
