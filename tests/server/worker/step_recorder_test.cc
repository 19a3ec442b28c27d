#include "server/worker/step_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchlap::worker {
namespace {

using ::testing::ElementsAre;

int64_t fake_now_ns = 0;
int64_t FakeClock() { return fake_now_ns; }

// What the host did, in order.
std::vector<std::string> fake_log;

// A clock that stands still but for what the test adds: a mark is the time that it was made at.
class FakeDeviceClock : public DeviceClock {
 public:
  explicit FakeDeviceClock(const int64_t* now_ns) : now_ns_(now_ns) {}
  size_t Mark() override {
    fake_log.push_back("mark");
    marks_.push_back(*now_ns_);
    return marks_.size() - 1;
  }
  int64_t BetweenNs(size_t from, size_t to) const override {
    return marks_.at(to) - marks_.at(from);
  }
  void Clear() override { marks_.clear(); }

 private:
  const int64_t* const now_ns_;
  std::vector<int64_t> marks_;
};

// Each synchronise finishes work that takes 1 us; the test says how much memory is in use.
class FakeDevice : public Device {
 public:
  explicit FakeDevice(bool with_clock = false) : with_clock_(with_clock) {}

  c10::Device torch_device() const override { return c10::Device(c10::DeviceType::CPU); }
  void Synchronise() override {
    ++synchronisations;
    fake_log.push_back("synchronise");
    fake_now_ns += 1000;
  }
  std::unique_ptr<DeviceClock> MakeClock() override {
    return with_clock_ ? std::make_unique<FakeDeviceClock>(&device_now_ns) : nullptr;
  }
  void ResetPeaks() override { peak = 0; }
  MemoryPeak Peaks() const override { return {peak, std::nullopt}; }
  v1::MemoryUse AtStart() const override { return {}; }
  v1::Failure DescribeOutOfMemory(const std::string&) const override { return {}; }
  std::optional<GpuModel> gpu() const override { return std::nullopt; }
  std::string cuda_version() const override { return ""; }

  int synchronisations = 0;
  uint64_t peak = 0;
  int64_t device_now_ns = 0;

 private:
  const bool with_clock_;
};

class StepRecorderTest : public ::testing::Test {
 protected:
  StepRecorderTest() {
    fake_now_ns = 5'000'000;
    fake_log.clear();
  }

  // A phase in which the host is busy for `ns` and memory peaks at `peak`.
  void Phase(StepRecorder& recorder, v1::Phase phase, int64_t ns, uint64_t peak) {
    recorder.Enter(phase);
    fake_now_ns += ns;
    device_.peak = peak;
  }

  // The same, and the device works for `device_ns` of its own clock.
  void Phase(StepRecorder& recorder, v1::Phase phase, int64_t ns, uint64_t peak,
             int64_t device_ns) {
    Phase(recorder, phase, ns, peak);
    gpu_.peak = peak;
    gpu_.device_now_ns += device_ns;
  }

  FakeDevice device_;
  FakeDevice gpu_{/*with_clock=*/true};
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

TEST_F(StepRecorderTest, EventsTimePhasesByTheDeviceAndWaitOnlyAtTheEnds) {
  StepRecorder recorder(&gpu_, v1::TIMING_EVENTS, &FakeClock);
  Phase(recorder, v1::PHASE_FORWARD, 100, 1, 7000);
  Phase(recorder, v1::PHASE_LOSS, 20, 2, 500);
  Phase(recorder, v1::PHASE_BACKWARD, 300, 3, 15000);
  recorder.Leave();
  EXPECT_THAT(fake_log, ElementsAre("synchronise", "mark", "mark", "mark", "mark", "synchronise"));
  EXPECT_EQ(recorder.times().device_phase_ns[v1::PHASE_FORWARD], 7000);
  EXPECT_EQ(recorder.times().device_phase_ns[v1::PHASE_LOSS], 500);
  EXPECT_EQ(recorder.times().device_phase_ns[v1::PHASE_BACKWARD], 15000);
  EXPECT_FALSE(recorder.times().device_phase_ns[v1::PHASE_OPTIMIZER].has_value());
  EXPECT_EQ(recorder.times().device_step_ns, 22500);
  // The host clock has the step alone.
  for (const auto& phase_ns : recorder.times().phase_ns) EXPECT_FALSE(phase_ns.has_value());
  EXPECT_EQ(recorder.times().step_ns, 100 + 20 + 300 + 1000);
}

TEST_F(StepRecorderTest, SeparateTimingHasTheDeviceClockBesideTheHostClock) {
  StepRecorder recorder(&gpu_, v1::TIMING_SEPARATE, &FakeClock);
  Phase(recorder, v1::PHASE_FORWARD, 100, 1, 7000);
  Phase(recorder, v1::PHASE_LOSS, 20, 2, 500);
  recorder.Leave();
  // A phase ends before the wait and the next one begins after it.
  EXPECT_THAT(fake_log, ElementsAre("synchronise", "mark", "mark", "synchronise", "mark", "mark",
                                    "synchronise"));
  EXPECT_EQ(recorder.times().phase_ns[v1::PHASE_FORWARD], 1100);
  EXPECT_EQ(recorder.times().phase_ns[v1::PHASE_LOSS], 1020);
  EXPECT_EQ(recorder.times().device_phase_ns[v1::PHASE_FORWARD], 7000);
  EXPECT_EQ(recorder.times().device_phase_ns[v1::PHASE_LOSS], 500);
  EXPECT_EQ(recorder.times().device_step_ns, 7500);
}

TEST_F(StepRecorderTest, CombinedTimingHasTheStepByBothClocks) {
  StepRecorder recorder(&gpu_, v1::TIMING_COMBINED, &FakeClock);
  Phase(recorder, v1::PHASE_FORWARD, 100, 1, 7000);
  Phase(recorder, v1::PHASE_LOSS, 20, 2, 500);
  recorder.Leave();
  EXPECT_THAT(fake_log, ElementsAre("synchronise", "mark", "mark", "synchronise"));
  EXPECT_EQ(recorder.times().step_ns, 1120);
  EXPECT_EQ(recorder.times().device_step_ns, 7500);
  for (const auto& ns : recorder.times().device_phase_ns) EXPECT_FALSE(ns.has_value());
}

TEST_F(StepRecorderTest, ADeviceWithoutAClockHasNoDeviceTimes) {
  StepRecorder recorder(&device_, v1::TIMING_SEPARATE, &FakeClock);
  Phase(recorder, v1::PHASE_FORWARD, 100, 1);
  recorder.Leave();
  EXPECT_FALSE(recorder.times().device_step_ns.has_value());
  EXPECT_FALSE(recorder.times().device_phase_ns[v1::PHASE_FORWARD].has_value());
}

TEST_F(StepRecorderTest, AStepMayTellNoPhases) {
  StepRecorder recorder(&gpu_, v1::TIMING_COMBINED, &FakeClock);
  recorder.Begin();
  EXPECT_EQ(recorder.phase(), v1::PHASE_UNSPECIFIED);
  fake_now_ns += 100;
  gpu_.device_now_ns += 90;
  recorder.Leave();
  EXPECT_EQ(recorder.times().step_ns, 1100);
  EXPECT_EQ(recorder.times().device_step_ns, 90);
  for (const auto& peak : recorder.peaks()) EXPECT_FALSE(peak.has_value());
}

TEST_F(StepRecorderTest, PeaksAreTakenForEachPhaseInAllTimings) {
  for (const v1::Timing timing : {v1::TIMING_SEPARATE, v1::TIMING_COMBINED, v1::TIMING_EVENTS}) {
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
  StepRecorder recorder(&gpu_, v1::TIMING_SEPARATE, &FakeClock);
  Phase(recorder, v1::PHASE_FORWARD, 1, 1, 8);
  Phase(recorder, v1::PHASE_LOSS, 1, 1, 9);
  recorder.Leave();
  Phase(recorder, v1::PHASE_FORWARD, 1, 1, 5);
  recorder.Leave();
  EXPECT_EQ(recorder.times().device_phase_ns[v1::PHASE_FORWARD], 5);
  EXPECT_FALSE(recorder.times().device_phase_ns[v1::PHASE_LOSS].has_value());
  EXPECT_FALSE(recorder.times().phase_ns[v1::PHASE_LOSS].has_value());
  EXPECT_FALSE(recorder.peaks()[v1::PHASE_LOSS].has_value());
}

}  // namespace
}  // namespace torchlap::worker
