#include "server/worker/neighbour.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/server/worker/made_up_proc.h"

namespace torchlap::worker {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kTickNs = 10 * kMs;
constexpr int kWorker = 500;
constexpr int64_t kBeganTicks = 10'000;  // since boot
constexpr int64_t kEarlier = 4'000, kLater = 10'005;

class NeighbourTest : public ::testing::Test {
 protected:
  NeighbourTest() {
    proc_.Write("version", "Linux\n");
    proc_.Process(1, "init", 1000, 0, 1);
    proc_.Process(kWorker, "torchlap-worker", 2000, 1, kEarlier);
  }

  // More foreign time than the threshold: the first scan.
  void Trigger() {
    watch_.Look(0, 0);
    watch_.Look(200 * kMs, 100 * kMs);
  }

  MadeUpProc proc_;
  NeighbourWatch watch_{{1}, kWorker, kBeganTicks* kTickNs, proc_.root()};
};

TEST_F(NeighbourTest, AProcessIsReadWithItsNameWhateverIsInIt) {
  proc_.Process(77, "a) R 1 (b", 30, 1, 123);
  const auto processes = ReadProcesses(proc_.root(), kWorker);
  EXPECT_EQ(processes.size(), 2u) << "init and this one; not the worker, nor `version`";
  const ProcessTimes& process = processes.at(77);
  EXPECT_EQ(process.name, "a) R 1 (b");
  EXPECT_EQ(process.uid, geteuid());
  EXPECT_EQ(process.cpu_ns, 300 * kMs);
  EXPECT_EQ(process.started_ns, 1230 * kMs);
  EXPECT_EQ(process.last_core, 1);
}

TEST_F(NeighbourTest, AProcessThatIsOddlyWrittenIsLeftOut) {
  proc_.Write("78/stat", "78 (short) R 1 2 3\n");
  proc_.Write("79/stat", "");
  proc_.Write("80/comm", "ends\n");
  EXPECT_EQ(ReadProcesses(proc_.root(), kWorker).size(), 1u);
}

TEST_F(NeighbourTest, TheProcessThatComputedMostIsFound) {
  proc_.Process(77, "stress", 40, 1, kEarlier);
  proc_.Process(78, "older", 90'000, 1, kEarlier);
  Trigger();
  proc_.Process(77, "stress", 70, 1, kEarlier);
  proc_.Process(78, "older", 90'002, 1, kEarlier);
  const auto neighbour = watch_.Find();
  ASSERT_TRUE(neighbour.has_value());
  EXPECT_EQ(neighbour->pid(), 77);
  EXPECT_EQ(neighbour->process(), "stress");
  EXPECT_EQ(neighbour->uid(), geteuid());
  EXPECT_EQ(neighbour->cpu_ns(), 300 * kMs);
}

TEST_F(NeighbourTest, ANameThatIsNoTextIsWrittenOut) {
  proc_.Process(77, "\xff\x1b[2J", 5, 1, kEarlier);
  Trigger();
  proc_.Process(77, "\xff\x1b[2J", 50, 1, kEarlier);
  EXPECT_EQ(watch_.Find()->process(), "\\xff\\x1b[2J");
}

TEST_F(NeighbourTest, TheWorkerIsNotItsOwnNeighbour) {
  Trigger();
  proc_.Process(kWorker, "torchlap-worker", 9000, 1, kEarlier);
  EXPECT_FALSE(watch_.Find().has_value());
}

TEST_F(NeighbourTest, AProcessThatEndedBeforeTheSecondScanIsFoundByTheFirst) {
  proc_.Process(77, "stress", 15, 1, kLater);
  Trigger();
  proc_.Remove("77");
  const auto neighbour = watch_.Find();
  ASSERT_TRUE(neighbour.has_value());
  EXPECT_EQ(neighbour->process(), "stress");
  EXPECT_EQ(neighbour->cpu_ns(), 150 * kMs);
}

TEST_F(NeighbourTest, AProcessThatWasStartedDuringTheWatchCountsFromItsStart) {
  proc_.Process(77, "stress", 15, 1, kLater);
  Trigger();
  proc_.Process(77, "stress", 16, 1, kLater);
  proc_.Process(78, "second", 5, 1, kLater + 30);
  EXPECT_EQ(watch_.Find()->cpu_ns(), 160 * kMs);
}

TEST_F(NeighbourTest, WhatAnEndedProcessDidBeforeTheWatchIsNotHeldAgainstIt) {
  proc_.Process(77, "old and gone", 5000, 1, kEarlier);
  Trigger();
  proc_.Remove("77");
  EXPECT_FALSE(watch_.Find().has_value());
}

TEST_F(NeighbourTest, APidThatWentToAnotherProcessIsAnotherProcess) {
  proc_.Process(77, "old", 5000, 1, kEarlier);
  Trigger();
  proc_.Process(77, "new", 30, 1, kLater);
  const auto neighbour = watch_.Find();
  ASSERT_TRUE(neighbour.has_value());
  EXPECT_EQ(neighbour->process(), "new");
  EXPECT_EQ(neighbour->cpu_ns(), 300 * kMs);
}

TEST_F(NeighbourTest, AProcessOnTheWorkersCoresComesBeforeABusierOneElsewhere) {
  proc_.Process(77, "here", 0, 1, kLater);
  proc_.Process(78, "elsewhere", 0, 0, kLater);
  Trigger();
  proc_.Process(77, "here", 20, 1, kLater);
  proc_.Process(78, "elsewhere", 50, 0, kLater);
  EXPECT_EQ(watch_.Find()->process(), "here");
}

TEST_F(NeighbourTest, WhereNoneWasSeenOnTheWorkersCoresTheBusiestOfAllIsFound) {
  proc_.Process(77, "here", 5, 1, kEarlier);
  proc_.Process(78, "elsewhere", 0, 0, kLater);
  Trigger();
  proc_.Process(78, "elsewhere", 50, 0, kLater);
  EXPECT_EQ(watch_.Find()->process(), "elsewhere") << "the other one did nothing meanwhile";
}

TEST_F(NeighbourTest, AProcessThatMovedHereCountsHalf) {
  proc_.Process(77, "stays", 0, 1, kLater);
  proc_.Process(78, "moves", 0, 0, kLater);
  Trigger();
  proc_.Process(77, "stays", 20, 1, kLater);
  proc_.Process(78, "moves", 39, 1, kLater);
  EXPECT_EQ(watch_.Find()->process(), "stays");
  proc_.Process(78, "moves", 79, 0, kLater);
  const auto neighbour = watch_.Find();
  EXPECT_EQ(neighbour->process(), "moves");
  EXPECT_EQ(neighbour->cpu_ns(), 790 * kMs) << "its time is told in full";
}

TEST_F(NeighbourTest, WhileTheDisturbanceLastsItIsLookedAtAgainAfterLongerAndLongerTimes) {
  proc_.Process(77, "ends early", 3, 1, kLater);
  proc_.Process(78, "small", 0, 1, kLater);
  int64_t ms = 0;
  const auto disturb_until = [&](int64_t end_ms) {
    for (; ms < end_ms; ms += 10) watch_.Look(ms * kMs, ms * kMs / 2);
  };
  disturb_until(210);  // read at 200
  proc_.Process(77, "ends early", 23, 1, kLater);
  disturb_until(410);  // and at 400
  proc_.Process(77, "ends early", 50, 1, kLater);
  disturb_until(800);  // and not before 800
  proc_.Remove("77");
  disturb_until(1000);
  proc_.Process(78, "small", 10, 1, kLater);
  const auto neighbour = watch_.Find();
  ASSERT_TRUE(neighbour.has_value());
  EXPECT_EQ(neighbour->process(), "ends early");
  EXPECT_EQ(neighbour->cpu_ns(), 230 * kMs);
}

TEST_F(NeighbourTest, LittleForeignTimeIsNoReasonToLook) {
  proc_.Process(77, "stress", 15, 1, kLater);
  for (int64_t ms = 0; ms <= 10'000; ms += 10) watch_.Look(ms * kMs, ms * kMs / 20);
  EXPECT_FALSE(watch_.Find().has_value());
}

TEST_F(NeighbourTest, AShortTimeIsNoReasonToLook) {
  proc_.Process(77, "stress", 15, 1, kLater);
  watch_.Look(0, 0);
  watch_.Look(199 * kMs, 199 * kMs);
  EXPECT_FALSE(watch_.Find().has_value());
}

TEST_F(NeighbourTest, ForeignTimeThatBeginsLateIsNotDilutedByTheQuietTimeBefore) {
  proc_.Process(77, "stress", 15, 1, kLater);
  int64_t foreign_ns = 0;
  for (int64_t ms = 0; ms <= 10'000; ms += 10) {
    if (ms > 9'900) foreign_ns += 10 * kMs;
    watch_.Look(ms * kMs, foreign_ns);
  }
  EXPECT_EQ(watch_.Find()->process(), "stress");
}

TEST_F(NeighbourTest, TheThresholdIsAShareOfAllTheCores) {
  proc_.Process(77, "stress", 15, 1, kLater);
  NeighbourWatch of_four({0, 1, 2, 3}, kWorker, kBeganTicks * kTickNs, proc_.root());
  of_four.Look(0, 0);
  of_four.Look(200 * kMs, 40 * kMs);
  EXPECT_FALSE(of_four.Find().has_value());
  of_four.Look(201 * kMs, 41 * kMs);
  EXPECT_TRUE(of_four.Find().has_value());
}

TEST(RealProcessesTest, ThisProcessIsFoundAmongTheRealOnes) {
  const auto processes = ReadProcesses("/", 0);
  ASSERT_TRUE(processes.contains(getpid()));
  EXPECT_EQ(processes.at(getpid()).uid, geteuid());
  EXPECT_GT(processes.at(getpid()).started_ns, 0);
  EXPECT_LE(processes.at(getpid()).started_ns, SinceBootNs());
  EXPECT_FALSE(ReadProcesses("/", getpid()).contains(getpid()));
}

}  // namespace
}  // namespace torchlap::worker
