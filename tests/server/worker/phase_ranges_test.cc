#include "server/worker/phase_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchlap::worker {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> fake_log;

class FakeSink : public RangeSink {
  void Push(const std::string& name) override { fake_log.push_back("push " + name); }
  void Pop() override { fake_log.push_back("pop"); }
};

class FakeTimer : public PhaseListener {
  void Begin() override { fake_log.push_back("begin"); }
  void Enter(v1::Phase) override { fake_log.push_back("enter"); }
  void Leave() override { fake_log.push_back("leave"); }
};

class PhaseRangesTest : public ::testing::Test {
 protected:
  PhaseRangesTest() { fake_log.clear(); }

  FakeTimer timer_;
  PhaseRanges ranges_{&timer_, std::make_unique<FakeSink>()};
};

TEST_F(PhaseRangesTest, PhasesAreRangesWithinTheirStepFromClockToClock) {
  for (int step = 0; step < 2; ++step) {
    fake_log.clear();
    ranges_.Enter(v1::PHASE_FORWARD);
    ranges_.Enter(v1::PHASE_BACKWARD);
    ranges_.Leave();
    EXPECT_THAT(fake_log, ElementsAre("enter", "push step", "push forward", "enter", "pop",
                                      "push backward", "leave", "pop", "pop"));
  }
}

TEST_F(PhaseRangesTest, AStepWithoutPhasesIsOneRange) {
  ranges_.Begin();
  ranges_.Leave();
  EXPECT_THAT(fake_log, ElementsAre("begin", "push step", "leave", "pop"));
}

}  // namespace
}  // namespace torchlap::worker
