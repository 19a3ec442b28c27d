#include "server/worker/step_recorder.h"

#include <gtest/gtest.h>

#include <vector>

namespace torchlap::worker {
namespace {

int64_t fake_now_ns = 0;
int64_t FakeClock() { return fake_now_ns; }

// Each synchronise finishes work that takes 1 us; the test says how much memory is in use.
class FakeDevice : public Device {
 public:
  c10::Device torch_device() const override { return c10::Device(c10::DeviceType::CPU); }
  void Synchronise() override {
    ++synchronisations;
    fake_now_ns += 1000;
  }
  void ResetPeaks() override { peak = 0; }
  MemoryPeak Peaks() const override { return {peak, std::nullopt}; }
  v1::MemoryUse AtStart() const override { return {}; }
  v1::Failure DescribeOutOfMemory(const c10::OutOfMemoryError&) const override { return {}; }
  std::string cuda_version() const override { return ""; }

  int synchronisations = 0;
  uint64_t peak = 0;
};

class StepRecorderTest : public ::testing::Test {
 protected:
  StepRecorderTest() { fake_now_ns = 5'000'000; }

  // A phase in which the host is busy for `ns` and memory peaks at `peak`.
  void Phase(StepRecorder& recorder, v1::Phase phase, int64_t ns, uint64_t peak) {
    recorder.Enter(phase);
    fake_now_ns += ns;
    device_.peak = peak;
  }

  FakeDevice device_;
};

TEST_F(StepRecorderTest, SeparateTimingSynchronisesAtEveryBoundary) {
  StepRecorder recorder(&device_, v1::TIMING_SEPARATE, &FakeClock);
  Phase(recorder, v1::PHASE_FORWARD, 100, 1);
  Phase(recorder, v1::PHASE_LOSS, 20, 2);
  Phase(recorder, v1::PHASE_BACKWARD, 300, 3);
  recorder.Leave();
  EXPECT_EQ(device_.synchronisations, 4);
  EXPECT_EQ(recorder.times().start_ns, 5'001'000);
  EXPECT_EQ(recorder.times().phase_ns[v1::PHASE_FORWARD], 1100);
  EXPECT_EQ(recorder.times().phase_ns[v1::PHASE_LOSS], 1020);
  EXPECT_EQ(recorder.times().phase_ns[v1::PHASE_BACKWARD], 1300);
  EXPECT_FALSE(recorder.times().phase_ns[v1::PHASE_OPTIMIZER].has_value());
  EXPECT_EQ(recorder.times().step_ns, 1100 + 1020 + 1300);
}

TEST_F(StepRecorderTest, CombinedTimingSynchronisesAtTheEndsOfTheStepAndTimesNoPhase) {
  StepRecorder recorder(&device_, v1::TIMING_COMBINED, &FakeClock);
  Phase(recorder, v1::PHASE_FORWARD, 100, 1);
  Phase(recorder, v1::PHASE_LOSS, 20, 2);
  Phase(recorder, v1::PHASE_BACKWARD, 300, 3);
  recorder.Leave();
  EXPECT_EQ(device_.synchronisations, 2);
  EXPECT_EQ(recorder.times().step_ns, 100 + 20 + 300 + 1000);
  for (const auto& phase_ns : recorder.times().phase_ns) EXPECT_FALSE(phase_ns.has_value());
}

TEST_F(StepRecorderTest, PeaksAreTakenForEachPhaseInBothTimings) {
  for (const v1::Timing timing : {v1::TIMING_SEPARATE, v1::TIMING_COMBINED}) {
    StepRecorder recorder(&device_, timing, &FakeClock);
    Phase(recorder, v1::PHASE_FORWARD, 1, 70);
    Phase(recorder, v1::PHASE_LOSS, 1, 90);
    recorder.Leave();
    EXPECT_EQ(recorder.peaks()[v1::PHASE_FORWARD]->allocated_bytes, 70u);
    EXPECT_EQ(recorder.peaks()[v1::PHASE_LOSS]->allocated_bytes, 90u);
    EXPECT_FALSE(recorder.peaks()[v1::PHASE_BACKWARD].has_value());
  }
}

TEST_F(StepRecorderTest, TheRunningPhaseIsKnownWhenSomethingFails) {
  StepRecorder recorder(&device_, v1::TIMING_SEPARATE, &FakeClock);
  EXPECT_EQ(recorder.phase(), v1::PHASE_UNSPECIFIED);
  recorder.Enter(v1::PHASE_FORWARD);
  EXPECT_EQ(recorder.phase(), v1::PHASE_FORWARD);
  recorder.Enter(v1::PHASE_LOSS);
  EXPECT_EQ(recorder.phase(), v1::PHASE_LOSS);
  recorder.Leave();
  EXPECT_EQ(recorder.phase(), v1::PHASE_UNSPECIFIED);
}

TEST_F(StepRecorderTest, AStepForgetsTheOneBeforeIt) {
  StepRecorder recorder(&device_, v1::TIMING_SEPARATE, &FakeClock);
  Phase(recorder, v1::PHASE_FORWARD, 1, 1);
  Phase(recorder, v1::PHASE_LOSS, 1, 1);
  recorder.Leave();
  Phase(recorder, v1::PHASE_FORWARD, 1, 1);
  recorder.Leave();
  EXPECT_FALSE(recorder.times().phase_ns[v1::PHASE_LOSS].has_value());
  EXPECT_FALSE(recorder.peaks()[v1::PHASE_LOSS].has_value());
}

}  // namespace
}  // namespace torchlap::worker
