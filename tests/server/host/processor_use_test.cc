#include "server/host/processor_use.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <map>
#include <optional>
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
    Own(pid, "1000\t1000\t1000\t1000");
  }
  // Real, effective and saved uid, and that of the file system.
  void Own(int pid, const std::string& uids) const {
    folder_.Write("proc/" + std::to_string(pid) + "/status", "Name:\tpython\nUid:\t" + uids + "\n");
  }
  std::map<pid_t, ProcessorUse> Use(pid_t pid, uid_t uid = 1000) const {
    return UseOfTrees({{pid, uid}}, folder_.path()).at(0);
  }

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

TEST_F(ProcessorUseTest, WhatIsOfAnotherUserDoesNotCount) {
  Add(10, 1, 1, 2, 3);
  Add(11, 10, 30, 40, 4);
  Add(12, 11, 500, 0, 5);
  Own(11, "0\t1000\t1000\t1000");  // setuid: another has started it
  Own(12, "1000\t0\t0\t0");        // he has started what runs as another
  EXPECT_EQ(Use(10).size(), 2U);
  EXPECT_TRUE(Use(10).contains(12));
  EXPECT_FALSE(Use(10).contains(11));
  EXPECT_TRUE(Use(10, 1001).empty()) << "the number is another's by now";
  EXPECT_TRUE(Use(10, 0).empty());
}

TEST_F(ProcessorUseTest, WhatIsBelowTwoCountsForTheNearerOne) {
  Add(10, 1, 1, 0, 0);
  Add(11, 10, 2, 0, 0);
  Add(12, 11, 3, 0, 0);
  Add(20, 1, 4, 0, 0);
  const auto uses = UseOfTrees({{10, 1000}, {11, 1000}, {20, 1000}, {99, 1000}, {0, 0}, {20, 1000}},
                               folder_.path());
  ASSERT_EQ(uses.size(), 6U);
  EXPECT_EQ(uses[0].size(), 1U);
  EXPECT_EQ(uses[1].size(), 2U);
  EXPECT_EQ(uses[2].size(), 1U);
  EXPECT_TRUE(uses[3].empty());
  EXPECT_TRUE(uses[4].empty());
  EXPECT_TRUE(uses[5].empty()) << "it stands there already";
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

std::vector<int> AllCores() {
  std::vector<int> all;
  for (int core = 0; core < CPU_SETSIZE; ++core) all.push_back(core);
  return all;
}

// Computes until it is killed.
class BusyProcess {
 public:
  BusyProcess() : pid_(fork()) {
    for (volatile uint64_t turns = 0; pid_ == 0;) turns = turns + 1;
  }
  ~BusyProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  BusyProcess(const BusyProcess&) = delete;
  BusyProcess& operator=(const BusyProcess&) = delete;

  pid_t pid() const { return pid_; }

 private:
  const pid_t pid_;
};

TEST(ProcessorUse, OneThatSleepsComputesNowhere) {
  const ChildProcess sleeps([] { return true; });
  ASSERT_TRUE(sleeps.acted());
  EXPECT_EQ(FirstToComputeOn(AllCores(), {{sleeps.pid(), getuid()}}), std::nullopt);
}

TEST(ProcessorUse, TheOneOfManyThatComputesIsFoundInOneLook) {
  const ChildProcess sleeps([] { return true; });
  ASSERT_TRUE(sleeps.acted());
  const BusyProcess busy;
  std::vector<ProcessOwner> holders(200, {sleeps.pid(), getuid()});
  holders.push_back({busy.pid(), getuid()});
  const auto began = std::chrono::steady_clock::now();
  std::optional<size_t> found;
  // On a machine that is busy with other things it may be given nothing for a while.
  while (!found && std::chrono::steady_clock::now() - began < std::chrono::seconds(10)) {
    found = FirstToComputeOn(AllCores(), holders);
  }
  EXPECT_EQ(found, 200U);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(15))
      << "200 looks would be 20 s";
  EXPECT_EQ(FirstToComputeOn({}, holders), std::nullopt) << "on no core of ours";
  EXPECT_EQ(FirstToComputeOn(AllCores(), {{busy.pid(), getuid() + 1}}), std::nullopt)
      << "it is not his";
}

TEST(ProcessorUse, WhoCannotBeSeenCostsNoLook) {
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(FirstToComputeOn(AllCores(), {{0, 0}, {0, 12345}}), std::nullopt);
    EXPECT_EQ(FirstToComputeOn(AllCores(), {}), std::nullopt);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

}  // namespace
}  // namespace torchlap::host
