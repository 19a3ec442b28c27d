#include "server/host/cpu_list.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchlap::host {
namespace {

using Cores = std::vector<int>;

TEST(CpuList, ReadsTheKernelsForm) {
  EXPECT_EQ(*ParseCpuList("0"), Cores{0});
  EXPECT_EQ(*ParseCpuList("0,2-5"), (Cores{0, 2, 3, 4, 5}));
  EXPECT_EQ(*ParseCpuList("3-3"), Cores{3});
  EXPECT_EQ(*ParseCpuList("4095"), Cores{4095});
}

TEST(CpuList, IsSortedAndNamesEachCoreOnce) {
  EXPECT_EQ(*ParseCpuList("8,2-4,3,0"), (Cores{0, 2, 3, 4, 8}));
}

TEST(CpuList, PrintsTheShortestForm) {
  EXPECT_EQ(PrintCpuList({}), "");
  EXPECT_EQ(PrintCpuList({7}), "7");
  EXPECT_EQ(PrintCpuList({5, 0, 3, 2, 4}), "0,2-5");
  EXPECT_EQ(PrintCpuList({0, 1}), "0-1");
  EXPECT_EQ(PrintCpuList({0, 2, 4}), "0,2,4");
  EXPECT_EQ(PrintCpuList({1, 1, 2}), "1-2");
}

TEST(CpuList, WhatIsPrintedReadsBack) {
  for (const char* text : {"0", "0-1", "0,2-5", "1,3,5-9,4095"}) {
    EXPECT_EQ(PrintCpuList(*ParseCpuList(text)), text);
  }
}

TEST(CpuList, SetsKeepTheOrderOfTheFirst) {
  EXPECT_EQ(CoresWithout({5, 1, 3}, {1, 7}), (Cores{5, 3}));
  EXPECT_EQ(CoresWithout({1, 2}, {}), (Cores{1, 2}));
  EXPECT_EQ(CoresWithout({1, 2}, {2, 1}), Cores{});
  EXPECT_EQ(CoresAlsoIn({5, 1, 3}, {3, 5, 9}), (Cores{5, 3}));
  EXPECT_EQ(CoresAlsoIn({1, 2}, {}), Cores{});
}

TEST(CpuList, RefusesWhatIsNoList) {
  for (const char* text : {"", ",", "0,", ",1", "a", "1-", "-1", "5-2", "1 ", " 1", "0x1", "1--2",
                           "4096", "0-4096", "99999999999999999999", "1;2", "1.5"}) {
    const auto cores = ParseCpuList(text);
    EXPECT_EQ(cores.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(cores.status().message(), "core list is '" + std::string(text) +
                                            "', must be like 0,2-5 with cores from 0 to 4095");
  }
}

}  // namespace
}  // namespace torchlap::host
