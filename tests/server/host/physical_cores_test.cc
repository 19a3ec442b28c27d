#include "server/host/physical_cores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Cores = std::vector<int>;

class PhysicalCoresTest : public testing::Test {
 protected:
  void Tell(int core, const std::string& siblings) {
    tree_.Write(
        "sys/devices/system/cpu/cpu" + std::to_string(core) + "/topology/thread_siblings_list",
        siblings + "\n");
  }

  // `0,4 | 1 half`: of the cores that this process may run on.
  std::string Of(const Cores& cores) const {
    std::string text;
    for (const PhysicalCore& core : PhysicalCoresOf(cores, ReadSiblings(cores, tree_.path()))) {
      text += text.empty() ? "" : " | ";
      for (size_t i = 0; i < core.cores.size(); ++i) {
        text += (i == 0 ? "" : ",") + std::to_string(core.cores[i]);
      }
      text += core.is_whole ? "" : " half";
    }
    return text;
  }

  TemporaryFolder tree_;
};

TEST_F(PhysicalCoresTest, WithoutHyperthreadsEachIsAlone) {
  for (int core = 0; core < 4; ++core) Tell(core, std::to_string(core));
  EXPECT_EQ(Of({0, 1, 2, 3}), "0 | 1 | 2 | 3");
}

TEST_F(PhysicalCoresTest, SiblingsMayBeHalfAMachineApart) {
  for (int core = 0; core < 8; ++core) {
    Tell(core, std::to_string(core % 4) + "," + std::to_string(core % 4 + 4));
  }
  EXPECT_EQ(Of({0, 1, 2, 3, 4, 5, 6, 7}), "0,4 | 1,5 | 2,6 | 3,7");
}

TEST_F(PhysicalCoresTest, SiblingsMayBeNeighbours) {
  for (int core = 0; core < 6; ++core) {
    Tell(core, std::to_string(core / 2 * 2) + "-" + std::to_string(core / 2 * 2 + 1));
  }
  EXPECT_EQ(Of({0, 1, 2, 3, 4, 5}), "0,1 | 2,3 | 4,5");
}

TEST_F(PhysicalCoresTest, FourHyperthreadsAndCoresWithoutAnyAreOneMachine) {
  for (int core = 0; core < 4; ++core) Tell(core, "0-3");
  for (int core = 4; core < 6; ++core) Tell(core, std::to_string(core));
  EXPECT_EQ(Of({0, 1, 2, 3, 4, 5}), "0,1,2,3 | 4 | 5");
}

TEST_F(PhysicalCoresTest, ASiblingThatMayNotBeUsedLeavesHalfACore) {
  for (int core = 0; core < 8; ++core) {
    Tell(core, std::to_string(core % 4) + "," + std::to_string(core % 4 + 4));
  }
  EXPECT_EQ(Of({1, 2, 3, 5}), "1,5 | 2 half | 3 half");
  // A container with the second half of a machine.
  EXPECT_EQ(Of({4, 5, 6, 7}), "4 half | 5 half | 6 half | 7 half");
  EXPECT_THAT(ReadSiblings({2}, tree_.path()).at(2), ElementsAre(2, 6));
}

TEST_F(PhysicalCoresTest, WhatIsNotToldOrNonsenseMeansAlone) {
  Tell(1, "");
  Tell(2, "what");
  Tell(3, "4-5");
  Tell(4, "4-5");
  EXPECT_EQ(Of({0, 1, 2, 3, 4, 5}), "0 | 1 | 2 | 3 | 4,5");
  EXPECT_EQ(Of({}), "");
}

TEST_F(PhysicalCoresTest, SiblingsAreAddedOnce) {
  for (int core = 0; core < 6; ++core) {
    Tell(core, std::to_string(core % 3) + "," + std::to_string(core % 3 + 3));
  }
  const Siblings siblings = ReadSiblings({0, 1, 2, 3, 4, 5}, tree_.path());
  EXPECT_THAT(WithSiblings({5, 1}, siblings), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(WithSiblings({1, 4}, siblings), ElementsAre(1, 4));
  EXPECT_THAT(WithSiblings({9}, siblings), ElementsAre(9)) << "not known";
  EXPECT_THAT(WithSiblings({}, siblings), IsEmpty());
}

}  // namespace
}  // namespace torchlap::host
