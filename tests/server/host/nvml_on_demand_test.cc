#include "server/host/nvml_on_demand.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/proto/base/settable_clock.h"
#include "tests/server/host/fake_machine.h"

namespace torchlap::host {
namespace {

class NvmlOnDemandTest : public testing::Test {
 protected:
  NvmlOnDemandTest() { machine_.Describe("gpu GPU-1 40960 NVIDIA A100\ntemperature 61\n"); }

  bool AwaitClosed() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (nvml_.is_open() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    return !nvml_.is_open();
  }
  int64_t InAMinute() const { return clock_.MonotonicNs() + NvmlOnDemand::kIdleNs; }

  FakeMachine machine_;
  SettableClock clock_;
  NvmlOnDemand nvml_{TORCHLAP_FAKE_NVML_LIBRARY, &clock_};
};

TEST_F(NvmlOnDemandTest, NothingIsOpenUntilSomebodyAsks) {
  EXPECT_FALSE(nvml_.is_open());
  const auto held = nvml_.Get();
  ASSERT_NE(held, nullptr);
  EXPECT_TRUE(nvml_.is_open());
  EXPECT_EQ(held->TemperatureCelsius(*held->DeviceOf("GPU-1")).value_or(0), 61U);
}

TEST_F(NvmlOnDemandTest, IsClosedAMinuteAfterTheLastHolderHasLetGo) {
  auto first = nvml_.Get();
  auto second = nvml_.Get();
  EXPECT_EQ(first, second) << "one library for all";
  auto copy = first;
  first.reset();
  second.reset();
  clock_.Advance(10 * NvmlOnDemand::kIdleNs);
  EXPECT_TRUE(nvml_.is_open()) << "the copy holds it";
  const int64_t close_at_ns = InAMinute();
  copy.reset();
  ASSERT_TRUE(clock_.AwaitSleepUntil(close_at_ns));
  clock_.Advance(NvmlOnDemand::kIdleNs - 1);
  ASSERT_TRUE(clock_.AwaitSleepUntil(close_at_ns));
  EXPECT_TRUE(nvml_.is_open());
  clock_.Advance(1);
  EXPECT_TRUE(AwaitClosed());
}

TEST_F(NvmlOnDemandTest, WhileItIsHeldNoTimeIsWaitedFor) {
  nvml_.Get().reset();
  ASSERT_TRUE(clock_.AwaitSleepUntil(InAMinute()));
  clock_.Advance(NvmlOnDemand::kIdleNs / 2);
  const auto held = nvml_.Get();
  ASSERT_TRUE(clock_.AwaitSleepUntil(Clock::kNever)) << "before the run, not in the middle of it";
  const uint64_t sleeps = clock_.sleeps();
  clock_.Advance(10 * NvmlOnDemand::kIdleNs);
  // What is set wakes all; nobody looks for a time of his own.
  ASSERT_TRUE(clock_.AwaitSleeps(sleeps + 1));
  ASSERT_TRUE(clock_.AwaitSleepUntil(Clock::kNever));
  EXPECT_TRUE(nvml_.is_open());
  EXPECT_TRUE(held->DeviceOf("GPU-1").ok());
}

TEST_F(NvmlOnDemandTest, ANewHolderStartsTheMinuteAnew) {
  nvml_.Get().reset();
  ASSERT_TRUE(clock_.AwaitSleepUntil(InAMinute()));
  clock_.Advance(NvmlOnDemand::kIdleNs - 1);
  nvml_.Get().reset();
  const int64_t close_at_ns = InAMinute();
  ASSERT_TRUE(clock_.AwaitSleepUntil(close_at_ns));
  EXPECT_TRUE(nvml_.is_open());
  clock_.Advance(NvmlOnDemand::kIdleNs);
  EXPECT_TRUE(AwaitClosed());
}

TEST_F(NvmlOnDemandTest, WhatWasClosedIsOpenedAgainAndSeesTheMachineOfThatTime) {
  nvml_.Get().reset();
  ASSERT_TRUE(clock_.AwaitSleepUntil(InAMinute()));
  clock_.Advance(NvmlOnDemand::kIdleNs);
  ASSERT_TRUE(AwaitClosed());
  machine_.Describe("gpu GPU-2 24564 NVIDIA GeForce RTX 4090\n");
  const auto held = nvml_.Get();
  ASSERT_NE(held, nullptr);
  EXPECT_TRUE(held->DeviceOf("GPU-2").ok());
  EXPECT_FALSE(held->DeviceOf("GPU-1").ok());
}

TEST_F(NvmlOnDemandTest, ALibraryThatCannotBeOpenedIsNothingAndMayComeLater) {
  machine_.Describe("init-error 9\n");
  EXPECT_EQ(nvml_.Get(), nullptr);
  EXPECT_FALSE(nvml_.is_open());
  machine_.Describe("gpu GPU-1 40960 A\n");
  EXPECT_NE(nvml_.Get(), nullptr);
  NvmlOnDemand absent("libtorchlap-no-such-library.so.1", &clock_);
  EXPECT_EQ(absent.Get(), nullptr);
}

TEST_F(NvmlOnDemandTest, WhatWasHandedOutMayBeHeldBeyondIt) {
  std::optional<NvmlOnDemand> other(std::in_place, TORCHLAP_FAKE_NVML_LIBRARY, &clock_);
  const auto held = other->Get();
  ASSERT_NE(held, nullptr);
  other.reset();
  EXPECT_TRUE(held->DeviceOf("GPU-1").ok());
}

TEST_F(NvmlOnDemandTest, ManyThreadsHoldOneLibrary) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < 50; ++round) {
        const auto held = nvml_.Get();
        EXPECT_TRUE(held != nullptr && held->DeviceOf("GPU-1").ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(clock_.AwaitSleepUntil(InAMinute()));
  clock_.Advance(NvmlOnDemand::kIdleNs);
  EXPECT_TRUE(AwaitClosed());
}

}  // namespace
}  // namespace torchlap::host
