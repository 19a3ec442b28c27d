#include "server/host/foreign_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

using testing::Optional;

constexpr uint64_t kMib = 1048576;
constexpr int64_t kNowUs = 1'700'000'010'000'000;

class ForeignWorkTest : public testing::Test {
 protected:
  ForeignWorkTest() { setenv("TORCHLAP_FAKE_NVML_NOW_US", std::to_string(kNowUs).c_str(), 1); }
  ~ForeignWorkTest() override { unsetenv("TORCHLAP_FAKE_NVML_NOW_US"); }

  ForeignWork On(const std::string& gpus, pid_t last_worker = 0) {
    nvml_.reset();  // an open library does not read the machine anew
    nvml_ = machine_.Open(gpus);
    const auto work = ForeignWorkOn(*nvml_, "GPU-1", kNowUs * 1000, last_worker, machine_.root());
    EXPECT_TRUE(work.has_value());
    return work.value_or(ForeignWork());
  }

  std::optional<int64_t> LastWork(const std::string& gpus, pid_t last_worker = 0) {
    nvml_.reset();
    nvml_ = machine_.Open(gpus);
    return LastWorkOn(*nvml_, "GPU-1", kNowUs * 1000, last_worker, machine_.root());
  }

  // `ago_ms` before now.
  static std::string Sample(int pid, int ago_ms, int percent) {
    return Line("sample", pid, ago_ms, percent);
  }
  static std::string Garbage(int pid, int ago_ms, int percent) {
    return Line("garbage", pid, ago_ms, percent);
  }
  static std::string Line(const std::string& word, int pid, int ago_ms, int percent) {
    return word + " " + std::to_string(kNowUs - int64_t{ago_ms} * 1000) + " " +
           std::to_string(pid) + " " + std::to_string(percent) + "\n";
  }

  FakeMachine machine_;
  std::unique_ptr<NvmlLibrary> nvml_;
};

const std::string kGpu = "gpu GPU-1 40960 A\nused-mib 12000\n";

TEST_F(ForeignWorkTest, WhoWasAtWorkWithinTheLastTwoSecondsComputes) {
  machine_.AddProcess(4211, "python3", 1, 0);
  const ForeignWork work =
      On(kGpu + "process 4211 11468 compute\nprocess 4212 20 compute\nprocess 4213 1 compute\n" +
         Sample(4211, 300, 80) + Sample(4211, 1200, 60) + Sample(4212, 1900, 30) +
         Sample(4213, 500, 4) + Sample(4213, 700, 5));
  ASSERT_EQ(work.computing.size(), 2u) << "the third one hardly works";
  EXPECT_EQ(work.computing[0].pid, 4211);
  EXPECT_DOUBLE_EQ(work.computing[0].sm_ratio, 0.7) << "the driver tells one mean a process";
  EXPECT_EQ(work.computing[1].pid, 4212);
  EXPECT_DOUBLE_EQ(work.computing[1].sm_ratio, 0.3);
  EXPECT_EQ(Called(work.computing[0]), "python3 (pid 4211, root)");
  EXPECT_THAT(work.held_bytes, Optional(12000 * kMib));
  ASSERT_EQ(work.holding.size(), 3u);
  EXPECT_EQ(work.holding[0].pid, 4211);
  EXPECT_THAT(work.holding[0].used_bytes, Optional(11468 * kMib));
}

TEST_F(ForeignWorkTest, WhoOnlyHoldsMemoryOrDrawsDoesNot) {
  const ForeignWork work = On(kGpu + "process 4211 11468 compute\nprocess 900 200 graphics\n" +
                              Sample(900, 100, 30) + Sample(900, 400, 30) + Sample(900, 900, 30));
  EXPECT_TRUE(work.computing.empty());
  EXPECT_EQ(work.holding.size(), 2u);
}

TEST_F(ForeignWorkTest, WhatIsLongAgoIsNoWork) {
  const std::string gpu = kGpu + "process 4211 11468 compute\n";
  EXPECT_TRUE(On(gpu + Sample(4211, 2000, 90) + Sample(4211, 9000, 90)).computing.empty());
  // Neither is it a part of what is told of now.
  const ForeignWork work = On(gpu + Sample(4211, 9000, 100) + Sample(4211, 1999, 20));
  ASSERT_EQ(work.computing.size(), 1u);
  EXPECT_DOUBLE_EQ(work.computing[0].sm_ratio, 0.2);
}

TEST_F(ForeignWorkTest, WhoWasAtWorkWhileTheDriverAnsweredComputes) {
  setenv("TORCHLAP_FAKE_NVML_NOW_US", std::to_string(kNowUs + 30'000).c_str(), 1);
  EXPECT_EQ(On(kGpu + "process 4211 11468 compute\n" + Sample(4211, -20, 80)).computing.size(), 1u);
}

TEST_F(ForeignWorkTest, GarbageAndTheGoneAreNoWork) {
  const std::string gpu = kGpu + "process 4211 11468 compute\n";
  for (const std::string& line :
       {Garbage(4211, 100, 4000), Garbage(4211, 200, 101), Garbage(4211, -5000, 90),
        Garbage(4211, 9000, 90), std::string("garbage 0 4211 90\n"), Sample(77, 100, 90)}) {
    EXPECT_TRUE(On(gpu + line).computing.empty()) << line;
    // Nor do they hide who works.
    EXPECT_EQ(On(gpu + line + Sample(4211, 500, 50)).computing.size(), 1u) << line;
  }
}

TEST_F(ForeignWorkTest, TheDriverRemembersWhenOthersWorkedLast) {
  const std::string gpu = kGpu + "process 4211 11468 compute\nprocess 900 200 graphics\n";
  EXPECT_THAT(LastWork(gpu + Sample(4211, 9000, 90) + Sample(4211, 3000, 90)),
              Optional(3'000'000'000));
  EXPECT_EQ(LastWork(gpu), std::nullopt);
  EXPECT_EQ(LastWork(gpu + Sample(4211, 10'000, 90)), std::nullopt) << "longer ago";
  EXPECT_EQ(LastWork(gpu + Sample(4211, 3000, 4)), std::nullopt) << "it hardly works";
  EXPECT_EQ(LastWork(gpu + Sample(900, 3000, 90)), std::nullopt) << "it only draws";
  EXPECT_EQ(LastWork(gpu + Sample(77, 3000, 90)), std::nullopt) << "nobody has that pid";
  EXPECT_EQ(LastWork(gpu + Sample(4211, 3000, 90), 4211), std::nullopt) << "our own";
}

TEST_F(ForeignWorkTest, InAContainerWhoIsHiddenIsSeenByWhatHeHoldsAndUses) {
  machine_.EnterNamespace("pid:[4026532266]");
  const std::string told = Sample(9, 100, 0);  // so that use is told, of nobody
  const ForeignWork hidden = On(kGpu + told + "utilisation 60\n");
  ASSERT_EQ(hidden.computing.size(), 1u);
  EXPECT_EQ(hidden.computing[0].pid, 0);
  EXPECT_EQ(Called(hidden.computing[0]), "somebody outside of this container");
  EXPECT_THAT(hidden.computing[0].used_bytes, Optional(12000 * kMib));
  EXPECT_TRUE(hidden.holding.empty());
  EXPECT_TRUE(On(kGpu + told + "utilisation 3\n").computing.empty()) << "it only holds memory";
  // All that is in use is held by somebody who is listed, and idle; our last run was busy.
  EXPECT_TRUE(On(kGpu + told + "utilisation 90\nprocess 7 11990 compute\n").computing.empty());
  EXPECT_TRUE(On(kGpu + told + "utilisation 90\nprocess 7 na compute\n").computing.empty());
  // Who is listed and works is named.
  const ForeignWork named =
      On(kGpu + "process 7 500 compute\nutilisation 90\n" + Sample(7, 300, 80));
  ASSERT_EQ(named.computing.size(), 1u);
  EXPECT_EQ(named.computing[0].pid, 7);
}

TEST_F(ForeignWorkTest, OnTheHostNobodyIsHidden) {
  const ForeignWork work = On(kGpu + Sample(9, 100, 0) + "utilisation 60\n");
  EXPECT_TRUE(work.computing.empty());
}

TEST_F(ForeignWorkTest, OurLastWorkerIsNobodyElse) {
  const std::string busy =
      kGpu + "process 4211 11468 compute\n" + Sample(4211, 300, 80) + Sample(4211, 600, 80);
  EXPECT_EQ(On(busy).computing.size(), 1u);
  const ForeignWork work = On(busy, /*last_worker=*/4211);
  EXPECT_TRUE(work.computing.empty());
  EXPECT_TRUE(work.holding.empty());
}

TEST_F(ForeignWorkTest, WhereNobodyIsNamedTheDevicesUtilisationTells) {
  const std::string neighbours = kGpu + "process 4211 11468 compute\nprocess 4212 20 compute\n";
  const ForeignWork busy = On(neighbours + "utilisation 60\n");
  ASSERT_EQ(busy.computing.size(), 1u);
  EXPECT_EQ(busy.computing[0].pid, 4211);
  EXPECT_EQ(Called(busy.computing[0]), "pid 4211");
  EXPECT_TRUE(On(neighbours + "utilisation 3\n").computing.empty());
  EXPECT_TRUE(On(kGpu + "utilisation 100\n").computing.empty()) << "our own last run";
  EXPECT_TRUE(On(neighbours).computing.empty()) << "a MIG instance tells neither";
}

TEST_F(ForeignWorkTest, ADeviceThatDoesNotAnswerTellsNothing) {
  nvml_ = machine_.Open(kGpu);
  EXPECT_FALSE(ForeignWorkOn(*nvml_, "GPU-9", kNowUs * 1000, 0, machine_.root()).has_value());
}

}  // namespace
}  // namespace torchlap::host
