#include "server/run/settle_wait.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace torchlap::run {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kS = 1'000'000'000;

SettleLook At(std::optional<uint32_t> celsius, host::SettleWindow window) {
  return {window, celsius, {}};
}

host::SettleWindow Window(std::optional<uint32_t> below, int64_t idle_s, int64_t at_most_s) {
  return {below, idle_s * kS, at_most_s * kS};
}

TEST(SettleWait, NothingIsWantedByDefault) {
  SettleWait wait;
  EXPECT_EQ(wait.Look({}, 5 * kS).why, "");
  EXPECT_THAT(wait.Take(), IsEmpty());
}

TEST(SettleWait, ARunWaitsUntilTheDeviceIsCool) {
  SettleWait wait;
  const host::SettleWindow window = Window(50, 0, 300);
  const auto first = wait.Look(At(71, window), 100 * kS);
  EXPECT_EQ(first.why, "it cools down: 71 C, a run begins below 50 C");
  EXPECT_EQ(first.look_again_ns, 105 * kS);
  EXPECT_NE(wait.Look(At(50, window), 105 * kS).why, "") << "below, not at";
  EXPECT_EQ(wait.Look(At(49, window), 142 * kS).why, "");
  const std::vector<v1::Evidence> evidence = wait.Take();
  ASSERT_THAT(evidence, SizeIs(1));
  EXPECT_EQ(evidence[0].reason(), v1::REASON_SETTLED);
  EXPECT_DOUBLE_EQ(evidence[0].value(), 42);
  EXPECT_EQ(evidence[0].celsius(), 49U);
  EXPECT_FALSE(evidence[0].has_threshold());
}

TEST(SettleWait, ADeviceThatIsSettledIsNotWaitedFor) {
  SettleWait wait;
  EXPECT_EQ(wait.Look(At(40, Window(50, 0, 300)), 7 * kS).why, "");
  EXPECT_DOUBLE_EQ(wait.Take().at(0).value(), 0);
}

TEST(SettleWait, ItGivesUpAndSaysSo) {
  SettleWait wait;
  const host::SettleWindow window = Window(50, 0, 12);
  EXPECT_EQ(wait.Look(At(71, window), 0).look_again_ns, 5 * kS);
  EXPECT_EQ(wait.Look(At(70, window), 5 * kS).look_again_ns, 10 * kS);
  EXPECT_EQ(wait.Look(At(69, window), 10 * kS).look_again_ns, 12 * kS) << "not beyond the limit";
  EXPECT_NE(wait.Look(At(69, window), 12 * kS - 1).why, "");
  EXPECT_EQ(wait.Look(At(68, window), 12 * kS).why, "");
  const std::vector<v1::Evidence> evidence = wait.Take();
  ASSERT_THAT(evidence, SizeIs(1));
  EXPECT_EQ(evidence[0].reason(), v1::REASON_NOT_SETTLED);
  EXPECT_DOUBLE_EQ(evidence[0].value(), 12);
  EXPECT_DOUBLE_EQ(evidence[0].threshold(), 12);
  EXPECT_EQ(evidence[0].celsius(), 68U);
}

TEST(SettleWait, EachRunHasItsOwnTime) {
  SettleWait wait;
  const host::SettleWindow window = Window(50, 0, 12);
  wait.Look(At(71, window), 0);
  EXPECT_EQ(wait.Look(At(71, window), 12 * kS).why, "");
  wait.Take();
  wait.NotIdle(20 * kS);
  EXPECT_NE(wait.Look(At(71, window), 20 * kS).why, "");
  EXPECT_NE(wait.Look(At(71, window), 31 * kS).why, "");
  EXPECT_EQ(wait.Look(At(71, window), 32 * kS).why, "");
}

TEST(SettleWait, AJobThatIsGoneDoesNotUseUpTheTimeOfTheNext) {
  SettleWait wait;
  const host::SettleWindow window = Window(50, 0, 12);
  wait.Look(At(71, window), 0);
  wait.NobodyWaits();
  EXPECT_NE(wait.Look(At(71, window), 100 * kS).why, "");
  EXPECT_EQ(wait.Look(At(49, window), 103 * kS).why, "");
  EXPECT_DOUBLE_EQ(wait.Take().at(0).value(), 3);
}

TEST(SettleWait, IdleTimeBeginsWithTheEndOfARun) {
  SettleWait wait;
  const host::SettleWindow window = Window(std::nullopt, 8, 300);
  wait.NotIdle(10 * kS);
  const auto verdict = wait.Look(At(std::nullopt, window), 11 * kS);
  EXPECT_EQ(verdict.why, "it rests: a run begins when it was idle for 8 s");
  EXPECT_EQ(verdict.look_again_ns, 16 * kS);
  EXPECT_EQ(wait.Look(At(std::nullopt, window), 16 * kS).look_again_ns, 18 * kS);
  EXPECT_EQ(wait.Look(At(std::nullopt, window), 18 * kS).why, "");
  const v1::Evidence evidence = wait.Take().at(0);
  EXPECT_DOUBLE_EQ(evidence.value(), 7);
  EXPECT_FALSE(evidence.has_celsius());
  // A job that comes much later finds it rested.
  EXPECT_EQ(wait.Look(At(std::nullopt, window), 60 * kS).why, "");
}

TEST(SettleWait, AnIdleTimeThatNobodySawBeginBeginsWithTheFirstLook) {
  SettleWait wait;
  const host::SettleWindow window = Window(std::nullopt, 3, 300);
  EXPECT_EQ(wait.Look(At(std::nullopt, window), 100 * kS).look_again_ns, 103 * kS);
  EXPECT_EQ(wait.Look(At(std::nullopt, window), 103 * kS).why, "");
}

TEST(SettleWait, OthersWhoAreWaitedForBeginBothTimesAnew) {
  SettleWait wait;
  const host::SettleWindow window = Window(std::nullopt, 4, 3);
  wait.Look(At(std::nullopt, window), 0);
  wait.NotIdle(3 * kS);
  wait.NobodyWaits();
  EXPECT_NE(wait.Look(At(std::nullopt, window), 5 * kS).why, "");
  EXPECT_EQ(wait.Look(At(std::nullopt, window), 7 * kS).why, "");
  EXPECT_EQ(wait.Take().at(0).reason(), v1::REASON_SETTLED);
}

TEST(SettleWait, BesideOthersItGivesUpAtOnceAndSaysSo) {
  SettleWait wait;
  SettleLook look = At(71, Window(50, 4, 300));
  look.is_beside_others = true;
  wait.NotIdle(100 * kS);
  EXPECT_EQ(wait.Look(look, 100 * kS).why, "");
  const v1::Evidence evidence = wait.Take().at(0);
  EXPECT_EQ(evidence.reason(), v1::REASON_NOT_SETTLED);
  EXPECT_DOUBLE_EQ(evidence.value(), 0);
  EXPECT_EQ(evidence.celsius(), 71U);
}

TEST(SettleWait, IdleTimeBeginsWhereOthersWhoWereNotWaitedForEnded) {
  SettleWait wait;
  SettleLook look = At(std::nullopt, Window(std::nullopt, 10, 300));
  wait.NotIdle(10 * kS);  // our last run; an hour later they came and went
  look.others_worked_ns_ago = 3 * kS;
  EXPECT_EQ(wait.Look(look, 3600 * kS).look_again_ns, 3605 * kS);
  look.others_worked_ns_ago = 8 * kS;
  EXPECT_EQ(wait.Look(look, 3605 * kS).look_again_ns, 3607 * kS);
  look.others_worked_ns_ago.reset();
  EXPECT_EQ(wait.Look(look, 3607 * kS).why, "");
  EXPECT_EQ(wait.Take().at(0).reason(), v1::REASON_SETTLED);
}

TEST(SettleWait, OfADeviceThatWasNeverLookedAtTheirEndIsKnownToo) {
  SettleWait wait;
  SettleLook look = At(std::nullopt, Window(std::nullopt, 10, 300));
  look.others_worked_ns_ago = 6 * kS;
  EXPECT_EQ(wait.Look(look, 100 * kS).look_again_ns, 104 * kS);
  look.others_worked_ns_ago = 10 * kS;
  EXPECT_EQ(wait.Look(look, 104 * kS).why, "");
}

TEST(SettleWait, ADeviceWithoutAThermometerHasAnyTemperature) {
  SettleWait wait;
  EXPECT_EQ(wait.Look(At(std::nullopt, Window(50, 0, 300)), 0).why, "");
}

TEST(SettleWait, SettingsThatAreNotInForceAreSaidAndHoldNothingUp) {
  SettleWait wait;
  SettleLook look;
  look.not_in_force = {"lock_clocks is not in force: needs root or CAP_SYS_ADMIN"};
  EXPECT_EQ(wait.Look(look, 0).why, "");
  const std::vector<v1::Evidence> evidence = wait.Take();
  ASSERT_THAT(evidence, SizeIs(1));
  EXPECT_EQ(evidence[0].reason(), v1::REASON_SETTINGS_MISSING);
  EXPECT_THAT(wait.Take(), IsEmpty());
}

}  // namespace
}  // namespace torchlap::run
