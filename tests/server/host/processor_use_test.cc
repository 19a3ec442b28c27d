#include "server/host/processor_use.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "tests/server/host/child_process.h"
#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

class ProcessorUseTest : public testing::Test {
 protected:
  void Add(int pid, int parent, int user_ticks, int system_ticks, int core,
           const std::string& name = "python") const {
    std::string text = std::to_string(pid) + " (" + name + ") S " + std::to_string(parent) +
                       " 1 1 0 -1 4194560 100 0 0 0 " + std::to_string(user_ticks) + " " +
                       std::to_string(system_ticks);
    for (int field = 16; field < 39; ++field) text += " 0";
    folder_.Write("proc/" + std::to_string(pid) + "/stat",
                  text + " " + std::to_string(core) + " 0 0\n");
  }
  std::map<pid_t, ProcessorUse> Use(pid_t pid) const { return UseOfTree(pid, folder_.path()); }

  TemporaryFolder folder_;
};

TEST_F(ProcessorUseTest, AllThatIsBelowIsFound) {
  Add(1, 0, 1000, 1000, 0);
  Add(10, 1, 1, 2, 3);
  Add(11, 10, 30, 40, 4);
  Add(12, 11, 500, 0, 5, "a ) S 1 (name");
  Add(20, 1, 7, 7, 6);
  const auto use = Use(10);
  ASSERT_EQ(use.size(), 3U);
  EXPECT_EQ(use.at(10).ticks, 3U);
  EXPECT_EQ(use.at(11).ticks, 70U);
  EXPECT_EQ(use.at(12).ticks, 500U);
  EXPECT_EQ(use.at(12).core, 5);
  EXPECT_EQ(Use(1).size(), 5U);
}

TEST_F(ProcessorUseTest, WhoIsNotThereUsesNothing) {
  Add(10, 1, 1, 2, 0);
  folder_.Write("proc/11/stat", "11 (broken");
  folder_.Write("proc/12/stat", "12 (short) S 1 1 1 0");
  folder_.Write("proc/self/stat", "10 (x) S 1");
  for (const pid_t pid : {0, -1, 11, 12, 99}) EXPECT_TRUE(Use(pid).empty()) << pid;
}

TEST_F(ProcessorUseTest, ParentsInACircleEnd) {
  Add(10, 11, 1, 0, 0);
  Add(11, 10, 1, 0, 0);
  Add(12, 10, 1, 0, 0);
  EXPECT_EQ(Use(10).size(), 3U);
  EXPECT_EQ(Use(12).size(), 1U);
}

TEST(ProcessorUse, WhatRanElsewhereDoesNotCount) {
  const std::map<pid_t, ProcessorUse> before = {{10, {100, 0}}, {11, {100, 1}}, {12, {100, 2}}};
  // 11 has moved to a core that counts, 13 is new, 12 has become another process.
  const std::map<pid_t, ProcessorUse> after = {
      {10, {150, 0}}, {11, {103, 2}}, {12, {1, 2}}, {13, {4, 2}}};
  EXPECT_EQ(TicksOn({2, 3}, before, after), 7U);
  EXPECT_EQ(TicksOn({0}, before, after), 50U);
  EXPECT_EQ(TicksOn({7}, before, after), 0U);
  EXPECT_EQ(TicksOn({}, before, after), 0U);
}

TEST(ProcessorUse, OneThatSleepsComputesNowhere) {
  const ChildProcess sleeps([] { return true; });
  ASSERT_TRUE(sleeps.acted());
  std::vector<int> all;
  for (int core = 0; core < CPU_SETSIZE; ++core) all.push_back(core);
  EXPECT_FALSE(ComputesOn(all, sleeps.pid()));
}

}  // namespace
}  // namespace torchlap::host
