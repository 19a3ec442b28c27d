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
  ForeignWork On(const std::string& gpus, pid_t last_worker = 0) {
    nvml_.reset();  // an open library does not read the machine anew
    nvml_ = machine_.Open(gpus);
    const auto work = ForeignWorkOn(*nvml_, "GPU-1", kNowUs * 1000, last_worker, machine_.root());
    EXPECT_TRUE(work.has_value());
    return work.value_or(ForeignWork());
  }

  // `ago_ms` before now.
  static std::string Sample(int pid, int ago_ms, int percent) {
    return "sample " + std::to_string(kNowUs - int64_t{ago_ms} * 1000) + " " + std::to_string(pid) +
           " " + std::to_string(percent) + "\n";
  }

  FakeMachine machine_;
  std::unique_ptr<NvmlLibrary> nvml_;
};

const std::string kGpu = "gpu GPU-1 40960 A\nused-mib 12000\n";

TEST_F(ForeignWorkTest, WhoWasSeenTwiceOfLateComputes) {
  machine_.AddProcess(4211, "python3", 1, 0);
  const ForeignWork work =
      On(kGpu + "process 4211 11468 compute\nprocess 4212 20 compute\n" + Sample(4211, 300, 80) +
         Sample(4211, 1200, 60) + Sample(4212, 500, 90));
  ASSERT_EQ(work.computing.size(), 1u) << "one sample may be a process's end";
  EXPECT_EQ(work.computing[0].pid, 4211);
  EXPECT_DOUBLE_EQ(work.computing[0].sm_ratio, 0.7);
  EXPECT_EQ(Called(work.computing[0]), "python3 (pid 4211, root)");
  EXPECT_THAT(work.held_bytes, Optional(12000 * kMib));
  ASSERT_EQ(work.holding.size(), 2u);
  EXPECT_EQ(work.holding[0].pid, 4211);
  EXPECT_THAT(work.holding[0].used_bytes, Optional(11468 * kMib));
}

TEST_F(ForeignWorkTest, WhoOnlyHoldsMemoryOrDrawsDoesNot) {
  const ForeignWork work = On(kGpu + "process 4211 11468 compute\nprocess 900 200 graphics\n" +
                              Sample(900, 100, 30) + Sample(900, 400, 30) + Sample(900, 900, 30));
  EXPECT_TRUE(work.computing.empty());
  EXPECT_EQ(work.holding.size(), 2u);
}

TEST_F(ForeignWorkTest, OldSamplesGarbageAndTheGoneAreNoWork) {
  const ForeignWork work =
      On(kGpu + "process 4211 11468 compute\n" + Sample(4211, 2500, 90) + Sample(4211, 9000, 90) +
         Sample(4211, 100, 4000) + Sample(4211, 200, 101) + Sample(4211, -5000, 90) +
         Sample(77, 100, 90) + Sample(77, 300, 90));
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
