#include "server/worker/core_affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <string>
#include <thread>

#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

using ::testing::ElementsAre;

// The cores that the calling thread may use, in order.
std::vector<int> OwnCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

TEST(CoreAffinityTest, AListHasRangesAndSingleCores) {
  EXPECT_THAT(ParseCoreList("0"), ElementsAre(0));
  EXPECT_THAT(ParseCoreList("2-5,8"), ElementsAre(2, 3, 4, 5, 8));
}

TEST(CoreAffinityTest, WhatIsNoListIsRefused) {
  for (const char* list : {"", "a", "1-", "-1", "3-1", "1,", "1 2", "0-99999", "1;2"}) {
    EXPECT_THROW(ParseCoreList(list), InvalidRequest) << list;
  }
}

TEST(CoreAffinityTest, ThreadsStartedLaterInheritTheCores) {
  const int core = OwnCores().back();
  std::vector<int> seen;
  std::thread([&] {
    PinToCores(std::to_string(core));
    std::thread([&] { seen = OwnCores(); }).join();
  }).join();
  EXPECT_THAT(seen, ElementsAre(core));
}

TEST(CoreAffinityTest, AnEmptyListLeavesTheAffinityAlone) {
  const std::vector<int> before = OwnCores();
  PinToCores("");
  EXPECT_EQ(OwnCores(), before);
}

TEST(CoreAffinityTest, CoresThatTheHostDoesNotHaveAreRefused) {
  EXPECT_THROW(PinToCores("1023"), InvalidRequest);
}

}  // namespace
}  // namespace torchlap::worker
