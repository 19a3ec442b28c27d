#include "client/format/numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace torchlap::client::format {
namespace {

TEST(Measured, EndsAtTheSecondSignificantDigitOfTheNoise) {
  EXPECT_EQ(Measured(152.30, 8.45), "152.3 ± 8.5") << "though 8.45 is a little less in binary";
  EXPECT_EQ(Measured(152.30, 8.44), "152.3 ± 8.4");
  EXPECT_EQ(Measured(305.2, 12.3), "305 ± 12");
  EXPECT_EQ(Measured(5.1234, 0.0123), "5.123 ± 0.012");
  EXPECT_EQ(Measured(5.1234, 0.00123), "5.1234 ± 0.0012");
}

TEST(Measured, OfMuchNoiseRoundsToTensAndHundreds) {
  EXPECT_EQ(Measured(17834, 1042), "17800 ± 1000");
  EXPECT_EQ(Measured(12345, 123.4), "12350 ± 120");
}

TEST(Measured, KeepsTwoDigitsWhenRoundingMakesANewOne) {
  EXPECT_EQ(Measured(100.26, 9.96), "100 ± 10");
  EXPECT_EQ(Measured(100.26, 0.0996), "100.26 ± 0.10");
  EXPECT_EQ(Measured(5000, 99.6), "5000 ± 100");
}

TEST(Measured, WithoutNoiseShowsFourDigits) {
  EXPECT_EQ(Measured(152.34567, std::nullopt), "152.3");
  EXPECT_EQ(Measured(0.0123456, std::nullopt), "0.01235");
  EXPECT_EQ(Measured(152.34567, std::nan("")), "152.3");
  EXPECT_EQ(Measured(152.34567, 0.0), "152.3 ± 0");
}

TEST(Interval, EndsAtTheSecondSignificantDigitOfItsHalfWidth) {
  EXPECT_EQ(InInterval(152.345, 150.1, 154.4), "152.3 [150.1, 154.4]");
  EXPECT_EQ(InInterval(17834, 16800, 18900), "17800 [16800, 18900]");
  EXPECT_EQ(InInterval(5.1234, 5.1230, 5.1239), "5.12340 [5.12300, 5.12390]");
}

TEST(Rates, EndWhereTheirNoiseBegins) {
  EXPECT_EQ(ToNoise(2234.56, 75.6), "2235");
  EXPECT_EQ(ToNoise(2234.56, 1234), "2200");
  EXPECT_EQ(ToNoise(2234.56, 0.5), "2234.56");
  EXPECT_EQ(ToNoise(2234.56, std::nullopt), "2235");
  EXPECT_EQ(ToNoise(2234.56, 0.0), "2235");
}

TEST(Rates, HavePowersOfTen) {
  EXPECT_EQ(PerSecond(62.1e9, "FLOP"), "62.1 GFLOP/s");
  EXPECT_EQ(PerSecond(999.6e9, "FLOP"), "1.00 TFLOP/s");
  EXPECT_EQ(PerSecond(0, "B"), "0 B/s");
}

TEST(Ordinal, EndsAsItIsSpoken) {
  const std::vector<std::pair<uint32_t, std::string>> numbers = {
      {1, "1st"},   {2, "2nd"},   {3, "3rd"},   {4, "4th"},     {9, "9th"},     {10, "10th"},
      {11, "11th"}, {12, "12th"}, {13, "13th"}, {20, "20th"},   {21, "21st"},   {22, "22nd"},
      {23, "23rd"}, {24, "24th"}, {30, "30th"}, {101, "101st"}, {111, "111th"}, {1012, "1012th"}};
  for (const auto& [number, words] : numbers) EXPECT_EQ(Ordinal(number), words);
}

TEST(Significant, IsNeverScientific) {
  EXPECT_EQ(Significant(0, 4), "0");
  EXPECT_EQ(Significant(1234567, 4), "1235000");
  EXPECT_EQ(Significant(9.9996, 4), "10.00");
  EXPECT_EQ(Significant(1e-9, 4), "0.000000");
}

TEST(Percent, HasOneDecimal) {
  EXPECT_EQ(Percent(0.0555), "5.6 %");
  EXPECT_EQ(Percent(0.1), "10.0 %");
  EXPECT_EQ(Percent(0), "0.0 %");
}

TEST(PercentShort, HasTwoDigits) {
  EXPECT_EQ(PercentShort(0.0555), "5.6 %");
  EXPECT_EQ(PercentShort(0.342), "34 %");
  EXPECT_EQ(PercentShort(1.23), "120 %");
  EXPECT_EQ(PercentShort(0.05), "5 %");
  EXPECT_EQ(PercentShort(0.0999), "10 %");
  EXPECT_EQ(PercentShort(0), "0 %");
  EXPECT_EQ(SignedPercent(0.061), "+6.1 %");
  EXPECT_EQ(SignedPercent(-0.12), "-12 %");
}

TEST(Parameters, AreMillionsAndBillions) {
  EXPECT_EQ(ParametersShort(128'625'408), "128.6M");
  EXPECT_EQ(ParametersShort(423'183'360), "423.2M");
  EXPECT_EQ(ParametersShort(969'411'840), "969.4M");
  EXPECT_EQ(ParametersShort(1'998'235'200), "2.00B");
  EXPECT_EQ(ParametersShort(3'406'809'600), "3.41B");
  EXPECT_EQ(ParametersShort(12'832'823'808), "12.83B");
  EXPECT_EQ(ParametersShort(999'960'000), "1.00B");
  EXPECT_EQ(ParametersShort(999'960), "1.0M");
  EXPECT_EQ(ParametersShort(85'213), "85.2K");
  EXPECT_EQ(ParametersShort(640), "640");
}

TEST(Bytes, TakeTheUnitThatLeavesThreeDigits) {
  EXPECT_EQ(BytesShort(0), "0 B");
  EXPECT_EQ(BytesShort(1023), "1023 B");
  EXPECT_EQ(BytesShort(1536), "1.50 KiB");
  EXPECT_EQ(BytesShort(uint64_t{992} << 20), "992 MiB");
  EXPECT_EQ(BytesShort(uint64_t{1200} << 20), "1.17 GiB");
  EXPECT_EQ(BytesShort(27'254'476'800), "25.4 GiB");
}

TEST(Mebibytes, DropTheFractionWhereItDoesNotMatter) {
  EXPECT_EQ(Mebibytes(uint64_t{992} << 20), "992");
  EXPECT_EQ(Mebibytes(3'565'158), "3.4");
}

}  // namespace
}  // namespace torchlap::client::format
