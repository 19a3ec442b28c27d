#include "server/worker/core_counters.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/worker/made_up_proc.h"

namespace torchlap::worker {
namespace {

constexpr int64_t kTickNs = 10'000'000;
constexpr int64_t kMs = 1'000'000;

int64_t own_cpu_ns = 0;
int64_t MadeUpOwnCpu() { return own_cpu_ns; }

// Two cores; core 1 with the user ticks that are given. Guests are part of user.
std::string Stat(int64_t user_of_core_1, int64_t steal_of_core_1 = 0) {
  return "cpu  9999 9999 9999 9999 9999 9999 9999 9999 9999 9999\n"
         "cpu0 5000 5000 5000 5000 5000 5000 5000 5000 5000 5000\n"
         "cpu1 " +
         std::to_string(user_of_core_1) + " 2 3 400 50 6 7 " + std::to_string(steal_of_core_1) +
         " 900 900\nintr 6835506 0 0\nctxt 1\n";
}

class CoreCountersTest : public ::testing::Test {
 protected:
  CoreCountersTest() { own_cpu_ns = 0; }

  MadeUpProc proc_;
};

TEST(CoreUseTest, BusyTimeLeavesOutIdleTimeWaitingForDisksAndGuests) {
  const auto use = ParseCoreUse(Stat(100, 8), {1}, kTickNs);
  ASSERT_TRUE(use.has_value());
  EXPECT_EQ(use->busy_ns, (100 + 2 + 3 + 6 + 7) * kTickNs);
  EXPECT_EQ(use->steal_ns, 8 * kTickNs);
}

TEST(CoreUseTest, SeveralCoresAreAddedUp) {
  const auto use = ParseCoreUse(Stat(100), {0, 1}, kTickNs);
  ASSERT_TRUE(use.has_value());
  EXPECT_EQ(use->busy_ns, (5 * 5000 + 118) * kTickNs);
}

TEST(CoreUseTest, ACoreWithoutALineIsNotTakenForAnIdleOne) {
  EXPECT_FALSE(ParseCoreUse(Stat(100), {1, 2}, kTickNs).has_value());
  EXPECT_FALSE(ParseCoreUse("", {1}, kTickNs).has_value());
  EXPECT_FALSE(ParseCoreUse("cpu1 1 2 3 4 5", {1}, kTickNs).has_value()) << "cut off";
  EXPECT_FALSE(ParseCoreUse("cpu1 one two\n", {1}, kTickNs).has_value());
}

TEST(ForeignTimeTest, WhatTheWorkerDidNotUseWasForeign) {
  ForeignTime foreign;
  EXPECT_EQ(foreign.Add({500 * kMs, 0}, 70 * kMs), 0);
  EXPECT_EQ(foreign.Add({600 * kMs, 0}, 130 * kMs), 40 * kMs);
  EXPECT_EQ(foreign.Add({700 * kMs, 0}, 230 * kMs), 40 * kMs);
}

TEST(ForeignTimeTest, ATickTooEarlyIsNotCountedTwice) {
  ForeignTime foreign;
  foreign.Add({0, 0}, 0);
  // The worker alone, 10 ms ticks against an exact clock that runs ahead, falls behind, and agrees.
  EXPECT_EQ(foreign.Add({10 * kMs, 0}, 15 * kMs), 0);
  EXPECT_EQ(foreign.Add({30 * kMs, 0}, 27 * kMs), 3 * kMs);
  EXPECT_EQ(foreign.Add({40 * kMs, 0}, 42 * kMs), 3 * kMs);
  EXPECT_EQ(foreign.Add({140 * kMs, 0}, 42 * kMs), 98 * kMs) << "the total is right again";
}

TEST(ForeignTimeTest, StolenTimeIsForeignWhetherOrNotItCountsAsTheWorkersToo) {
  ForeignTime kept_apart;
  kept_apart.Add({0, 0}, 0);
  EXPECT_EQ(kept_apart.Add({100 * kMs, 30 * kMs}, 100 * kMs), 30 * kMs);
  ForeignTime counted_twice;
  counted_twice.Add({0, 0}, 0);
  EXPECT_EQ(counted_twice.Add({100 * kMs, 30 * kMs}, 130 * kMs), 30 * kMs);
}

TEST_F(CoreCountersTest, ForeignTimeIsThatOfTheOwnCoresLessTheOwn) {
  proc_.Write("stat", Stat(100));
  CoreCounters counters({1}, proc_.root(), &MadeUpOwnCpu);
  EXPECT_EQ(counters.Read(0).foreign_cpu_ns, 0);
  proc_.Write("stat", Stat(150));
  own_cpu_ns = 300 * kMs;
  EXPECT_EQ(counters.Read(kTickNs).foreign_cpu_ns, 200 * kMs);
}

TEST_F(CoreCountersTest, WithinATickTheCoresAreNotReadAgain) {
  proc_.Write("stat", Stat(100));
  CoreCounters counters({1}, proc_.root(), &MadeUpOwnCpu);
  counters.Read(5);
  proc_.Write("stat", Stat(150));
  EXPECT_EQ(counters.Read(5 + kTickNs - 1).foreign_cpu_ns, 0);
  EXPECT_EQ(counters.Read(5 + kTickNs).foreign_cpu_ns, 500 * kMs);
}

TEST_F(CoreCountersTest, AMachineOfManyCoresIsReadToTheLastOfThem) {
  std::string stat;
  for (int core = 0; core < 900; ++core) {
    stat += "cpu" + std::to_string(core) + " 3 0 0 123456789 0 0 0 0 0 0\n";
  }
  proc_.Write("stat", stat);
  CoreCounters counters({899}, proc_.root(), &MadeUpOwnCpu);
  EXPECT_EQ(counters.Read(0).foreign_cpu_ns, 0);
  proc_.Write("stat", stat.replace(stat.find("cpu899 3"), 8, "cpu899 7"));
  EXPECT_EQ(counters.Read(kTickNs).foreign_cpu_ns, 40 * kMs);
}

TEST_F(CoreCountersTest, RunDelayIsThatOfAllThreads) {
  proc_.Thread(70, 1000);
  proc_.Thread(71, 200);
  CoreCounters counters({1}, proc_.root(), &MadeUpOwnCpu);
  const CoreTimes before = counters.Read(0);
  EXPECT_EQ(before.run_delay_ns, 1200);
  proc_.Thread(70, 1050);
  EXPECT_EQ(Between(before, counters.Read(1)).run_delay_ns, 50) << "read each time";
}

TEST_F(CoreCountersTest, AThreadThatWasStartedLaterCountsFromItsStart) {
  proc_.Thread(70, 1000);
  CoreCounters counters({1}, proc_.root(), &MadeUpOwnCpu);
  const CoreTimes before = counters.Read(0);
  proc_.Thread(71, 300);
  EXPECT_EQ(Between(before, counters.Read(1)).run_delay_ns, 0);
  counters.FindThreads();
  EXPECT_EQ(Between(before, counters.Read(2)).run_delay_ns, 300);
}

TEST_F(CoreCountersTest, OfAThreadThatEndedTheLastReadingCounts) {
  proc_.Thread(70, 1000);
  proc_.Thread(71, 300);
  CoreCounters counters({1}, proc_.root(), &MadeUpOwnCpu);
  counters.Read(0);
  proc_.Write("self/task/71/schedstat", "");  // the real one refuses to be read
  proc_.Thread(70, 1001);
  EXPECT_EQ(counters.Read(1).run_delay_ns, 1301);
}

TEST_F(CoreCountersTest, WhatTheKernelDoesNotTellIsUnknownAndNotZero) {
  CoreCounters counters({1}, proc_.root(), &MadeUpOwnCpu);
  const CoreTimes times = counters.Read(0);
  EXPECT_FALSE(times.foreign_cpu_ns.has_value());
  EXPECT_FALSE(times.run_delay_ns.has_value());
  EXPECT_FALSE(Between(times, counters.Read(1)).foreign_cpu_ns.has_value());
}

TEST_F(CoreCountersTest, ACounterThatAppearsLaterStaysUnknown) {
  proc_.Write("stat", "cpu0 1 1 1 1 1 1 1 1\n");
  CoreCounters counters({1}, proc_.root(), &MadeUpOwnCpu);
  counters.Read(0);
  proc_.Write("stat", Stat(100));
  proc_.Thread(70, 1000);
  counters.FindThreads();
  const CoreTimes times = counters.Read(kTickNs);
  EXPECT_FALSE(times.foreign_cpu_ns.has_value());
  EXPECT_FALSE(times.run_delay_ns.has_value());
}

TEST_F(CoreCountersTest, ACounterThatGoesAwayStaysAsItWas) {
  proc_.Write("stat", Stat(100));
  CoreCounters counters({1}, proc_.root(), &MadeUpOwnCpu);
  counters.Read(0);
  proc_.Write("stat", Stat(101));
  counters.Read(kTickNs);
  proc_.Write("stat", "");
  EXPECT_EQ(counters.Read(2 * kTickNs).foreign_cpu_ns, kTickNs);
}

TEST(RealCoreCountersTest, TheRealCountersNeverFall) {
  const std::vector<int> cores = AllowedCores();
  ASSERT_FALSE(cores.empty());
  CoreCounters counters(cores);
  const CoreTimes first = counters.Read(0);
  ASSERT_TRUE(first.foreign_cpu_ns.has_value());
  CoreTimes before = first;
  for (int i = 1; i <= 100; ++i) {
    const CoreTimes now = counters.Read(i * kTickNs);
    EXPECT_GE(*Between(before, now).foreign_cpu_ns, 0);
    if (first.run_delay_ns) {
      EXPECT_GE(*Between(before, now).run_delay_ns, 0);
    }
    before = now;
  }
}

TEST(OwnCpuTest, ItGrowsWhileTheProcessComputes) {
  const int64_t before = OwnCpuNs();
  volatile int counter = 0;
  for (int i = 0; i < 1'000'000; ++i) counter = counter + 1;
  EXPECT_GT(OwnCpuNs(), before);
}

}  // namespace
}  // namespace torchlap::worker
