#include "server/run/busy_wait.h"

#include <gtest/gtest.h>

#include <limits>

#include "server/measure/presets.h"
#include "server/measure/workload_kind.h"

namespace torchlap::run {
namespace {

using Next = BusyVerdict::Next;

constexpr uint64_t kGib = uint64_t{1} << 30;
constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;

host::ForeignWork Held(uint64_t bytes) {
  host::ForeignWork work;
  work.held_bytes = bytes;
  host::ForeignProcess notebook;
  notebook.pid = 812;
  notebook.who.name = "jupyter";
  notebook.who.user = "bob";
  work.holding = {notebook};
  return work;
}

host::ForeignWork Computing(uint64_t bytes = 0) {
  host::ForeignWork work = Held(bytes);
  host::ForeignProcess python;
  python.pid = 4211;
  python.who.name = "python3";
  python.who.user = "ann";
  python.sm_ratio = 0.8;
  work.computing = {python};
  return work;
}

v1::Job SmallTraining() {
  v1::Job job;
  v1::TransformerLm& model = *job.mutable_spec()->mutable_workload()->mutable_transformer_lm();
  model.set_preset("small");
  EXPECT_TRUE(measure::ResolveShape(&model).ok());
  model.set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  return job;
}

TEST(WhyBusy, WhoComputesMakesADeviceBusyAndWhoOnlyIsThereDoesNot) {
  const uint64_t any = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(WhyBusy(Computing(), any, 80 * kGib), "python3 (pid 4211, ann) computes on it");
  EXPECT_EQ(WhyBusy(Held(40 * kGib), any, 80 * kGib), std::nullopt) << "memory nobody needs";
  EXPECT_EQ(WhyBusy({}, 0, 80 * kGib), std::nullopt);
}

TEST(WhyBusy, MemoryThatTheJobNeedsMakesADeviceBusy) {
  EXPECT_EQ(WhyBusy(Held(40 * kGib), 39 * kGib, 80 * kGib),
            "memory that the job needs is held by jupyter (pid 812, bob)");
  EXPECT_EQ(WhyBusy(Held(40 * kGib), 40 * kGib, 80 * kGib), std::nullopt);
  host::ForeignWork nameless = Held(40 * kGib);
  nameless.holding.clear();
  EXPECT_EQ(WhyBusy(nameless, 0, 80 * kGib), "memory that the job needs is held by others");
  // A display never goes away.
  EXPECT_EQ(WhyBusy(Held(kGib / 2), 0, 24 * kGib), std::nullopt);
}

TEST(IsQuiet, ADeviceWithADisplayIsAndOneWithANeighbourIsNot) {
  EXPECT_TRUE(IsQuiet({}, 24 * kGib));
  EXPECT_TRUE(IsQuiet(Held(kGib / 2), 24 * kGib));
  EXPECT_FALSE(IsQuiet(Held(8 * kGib), 24 * kGib));
  EXPECT_FALSE(IsQuiet(Computing(), 24 * kGib));
}

TEST(RoomBytes, IsWhatIdleHoldersLeave) {
  EXPECT_EQ(RoomBytes(24 * kGib, kGib / 2), 24 * kGib - kGib / 2);
  EXPECT_EQ(RoomBytes(24 * kGib, 8 * kGib), 24 * kGib) << "a neighbour may give it back";
  EXPECT_EQ(RoomBytes(24 * kGib, std::nullopt), 24 * kGib);
  EXPECT_EQ(RoomBytes(0, kGib / 2), 0U) << "no limit is known";
}

TEST(MostForeignBytes, LeaveRoomForWhatThePassMustHold) {
  const v1::Job job = SmallTraining();
  const uint64_t resident = measure::ResidentBytes(job.spec().workload());
  EXPECT_EQ(MostForeignBytes(job, 0, 24 * kGib), 24 * kGib - resident);
  EXPECT_EQ(MostForeignBytes(job, 0, resident), 0u);
  EXPECT_EQ(MostForeignBytes(job, 0, 0), std::numeric_limits<uint64_t>::max());
}

TEST(MostForeignBytes, NobodyIsWaitedForByWhatArithmeticRulesOut) {
  const v1::Job job = SmallTraining();
  for (const uint64_t device : {kGib, measure::ResidentBytes(job.spec().workload()) - 1}) {
    const uint64_t most = MostForeignBytes(job, 0, device);
    EXPECT_EQ(most, std::numeric_limits<uint64_t>::max());
    EXPECT_EQ(WhyBusy(Held(device), most, device), std::nullopt);
  }
}

TEST(MostForeignBytes, LeaveRoomForWhatAnEarlierRunOfTheLaunchLacked) {
  v1::Job job = SmallTraining();
  v1::Run& lacked = *job.add_runs();
  lacked.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  lacked.set_launch(1);
  lacked.mutable_failure()->set_total_bytes(24 * kGib);
  lacked.mutable_failure()->set_foreign_bytes(12 * kGib);
  lacked.mutable_failure()->set_free_bytes(0);
  lacked.mutable_failure()->set_asked_bytes(2 * kGib);
  EXPECT_EQ(MostForeignBytes(job, 1, 24 * kGib), 10 * kGib);
  EXPECT_GT(MostForeignBytes(job, 0, 24 * kGib), 20 * kGib) << "another launch";
  // What it lacked by its own fault, no waiting brings.
  job.mutable_runs(0)->mutable_failure()->set_asked_bytes(20 * kGib);
  EXPECT_GT(MostForeignBytes(job, 1, 24 * kGib), 20 * kGib);
}

TEST(JudgeBusy, AJobWaitsRunsOrFailsAsItWasTold) {
  for (const v1::IfBusy wait : {v1::IF_BUSY_WAIT, v1::IF_BUSY_UNSPECIFIED}) {
    for (const int64_t waited_ns : {int64_t{0}, kHourNs - 1}) {
      const BusyVerdict verdict = JudgeBusy(wait, "ann computes on it", waited_ns);
      EXPECT_EQ(verdict.next, Next::kWait);
      EXPECT_EQ(verdict.reason, "ann computes on it");
    }
    const BusyVerdict over = JudgeBusy(wait, "ann computes on it", kHourNs);
    EXPECT_EQ(over.next, Next::kRefuse);
    EXPECT_EQ(over.reason, "ann computes on it; it waited an hour for that");
  }
  EXPECT_EQ(JudgeBusy(v1::IF_BUSY_RUN, "ann computes on it", kHourNs).next, Next::kGo);
  EXPECT_EQ(JudgeBusy(v1::IF_BUSY_RUN, "ann computes on it", 0).reason, "");
  EXPECT_EQ(JudgeBusy(v1::IF_BUSY_FAIL, "ann computes on it", 0).next, Next::kWait)
      << "another device of its class may be idle";
  EXPECT_EQ(JudgeBusy(v1::IF_BUSY_FAIL, "ann computes on it", kTimeForAnotherNs).next,
            Next::kRefuse);
}

}  // namespace
}  // namespace torchlap::run
