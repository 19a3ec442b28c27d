#include "server/worker/step_reporter.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

#include "proto/frames.h"
#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

class StepReporterTest : public ::testing::Test {
 protected:
  ~StepReporterTest() override {
    close(pair_[0]);
    CloseDaemon();
  }

  void CloseDaemon() {
    if (pair_[1] >= 0) close(pair_[1]);
    pair_[1] = -1;
  }

  // The batches that were sent since the last call; with flags 0, until the other end is shut down.
  std::vector<v1::SampleBlock> Sent(int flags = MSG_DONTWAIT) {
    std::array<char, 4096> buffer;
    ssize_t count = 0;
    while ((count = recv(pair_[1], buffer.data(), buffer.size(), flags)) > 0) {
      decoder_.Feed(std::string_view(buffer.data(), static_cast<size_t>(count)));
    }
    std::vector<v1::SampleBlock> blocks;
    v1::WorkerEvent event;
    while (decoder_.Next(&event) == FrameDecoder::Result::kFrame) {
      blocks.push_back(event.steps().samples());
    }
    return blocks;
  }

  static std::array<int, 2> SocketPair() {
    std::array<int, 2> pair;
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
    return pair;
  }

  std::array<int, 2> pair_ = SocketPair();
  EventWriter events_{pair_[0]};
  FrameDecoder decoder_;
};

StepTimes Step(int64_t start_ns) {
  StepTimes times;
  times.start_ns = start_ns;
  times.step_ns = 30;
  times.phase_ns[v1::PHASE_FORWARD] = 10;
  times.phase_ns[v1::PHASE_BACKWARD] = 20;
  return times;
}

TEST_F(StepReporterTest, BatchesAreAtLeastHalfASecondApart) {
  StepReporter reporter(&events_, 0);
  reporter.Add(Step(0), {}, false, kSecond / 2 - 1);
  EXPECT_TRUE(Sent().empty());
  reporter.Add(Step(1), {}, true, kSecond / 2);
  const std::vector<v1::SampleBlock> first = Sent();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].first_step(), 0u);
  EXPECT_EQ(first[0].warmup_steps(), 1u);
  EXPECT_EQ(first[0].step_ns_size(), 2);
  EXPECT_EQ(first[0].forward_ns_size(), 2);
  EXPECT_EQ(first[0].loss_ns_size(), 0);
  reporter.Add(Step(2), {}, true, kSecond - 1);
  EXPECT_TRUE(Sent().empty());
  reporter.Add(Step(3), {}, true, kSecond);
  const std::vector<v1::SampleBlock> second = Sent();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].first_step(), 2u);
  EXPECT_EQ(second[0].step_ns_size(), 2);
}

TEST_F(StepReporterTest, TimesOfTheDeviceHaveColumnsOfTheirOwn) {
  StepTimes times;
  times.step_ns = 30;
  times.device_step_ns = 28;
  times.device_phase_ns[v1::PHASE_FORWARD] = 9;
  times.device_phase_ns[v1::PHASE_LOSS] = 1;
  times.device_phase_ns[v1::PHASE_BACKWARD] = 14;
  times.device_phase_ns[v1::PHASE_OPTIMIZER] = 4;
  StepReporter reporter(&events_, 0);
  reporter.Add(times, {}, true, 0);
  const v1::SampleBlock block = reporter.TakePending();
  EXPECT_EQ(block.forward_ns_size(), 0);
  ASSERT_EQ(block.device_step_ns_size(), 1);
  EXPECT_EQ(block.device_step_ns(0), 28);
  EXPECT_EQ(block.device_forward_ns(0), 9);
  EXPECT_EQ(block.device_loss_ns(0), 1);
  EXPECT_EQ(block.device_backward_ns(0), 14);
  EXPECT_EQ(block.device_optimizer_ns(0), 4);
}

TEST_F(StepReporterTest, WhatHappenedOnTheCoresHasColumnsWhereTheKernelTells) {
  StepReporter reporter(&events_, 0);
  reporter.Add(Step(0), {.foreign_cpu_ns = 10, .run_delay_ns = std::nullopt}, true, 0);
  reporter.Add(Step(1), {.foreign_cpu_ns = 0, .run_delay_ns = std::nullopt}, true, 0);
  const v1::SampleBlock block = reporter.TakePending();
  ASSERT_EQ(block.foreign_cpu_ns_size(), 2);
  EXPECT_EQ(block.foreign_cpu_ns(0), 10);
  EXPECT_EQ(block.foreign_cpu_ns(1), 0);
  EXPECT_EQ(block.run_delay_ns_size(), 0);
}

TEST_F(StepReporterTest, EveryBatchSaysWhichStepsUpToItsEndWereWarmUp) {
  StepReporter reporter(&events_, 0);
  reporter.Add(Step(0), {}, false, 0);
  reporter.Add(Step(1), {}, false, kSecond);
  reporter.Add(Step(2), {}, false, kSecond);
  reporter.Add(Step(3), {}, true, 2 * kSecond);
  reporter.Add(Step(4), {}, true, 2 * kSecond);
  const std::vector<v1::SampleBlock> sent = Sent();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].warmup_steps(), 2u);
  EXPECT_EQ(sent[1].warmup_steps(), 3u);
  EXPECT_EQ(reporter.TakePending().warmup_steps(), 3u);
}

TEST_F(StepReporterTest, TheRestIsLeftForTheLastEvent) {
  StepReporter reporter(&events_, 0);
  reporter.Add(Step(0), {}, true, kSecond);
  reporter.Add(Step(1), {}, true, kSecond + 1);
  const v1::SampleBlock rest = reporter.TakePending();
  EXPECT_EQ(rest.first_step(), 1u);
  ASSERT_EQ(rest.start_ns_size(), 1);
  EXPECT_EQ(rest.start_ns(0), 1);
}

TEST_F(StepReporterTest, ABatchNeverOutgrowsAFrame) {
  StepTimes longest;
  longest.start_ns = longest.step_ns = INT64_MAX;
  longest.phase_ns.fill(INT64_MAX);
  longest.device_phase_ns.fill(INT64_MAX);
  longest.device_step_ns = INT64_MAX;
  const CoreTimes most = {INT64_MAX, INT64_MAX};
  constexpr int kSteps = 40'000;
  std::thread worker([&] {
    StepReporter reporter(&events_, 0);
    for (int i = 0; i < kSteps; ++i) reporter.Add(longest, most, true, 0);
    const int unsent = reporter.TakePending().step_ns_size();
    EXPECT_LT(unsent, kSteps / 2);
    shutdown(pair_[0], SHUT_WR);
  });
  int steps_sent = 0;
  for (const v1::SampleBlock& block : Sent(0)) {
    steps_sent += block.step_ns_size();
    EXPECT_LT(block.ByteSizeLong(), kMaxFrameBytes);
  }
  worker.join();
  EXPECT_EQ(steps_sent, 40'000 - 40'000 % 6'500);
}

TEST_F(StepReporterTest, ADaemonThatIsGoneIsNoticed) {
  StepReporter reporter(&events_, 0);
  CloseDaemon();
  EXPECT_THROW(reporter.Add(Step(0), {}, true, kSecond), SocketClosed);
}

}  // namespace
}  // namespace torchlap::worker
