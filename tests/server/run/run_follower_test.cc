#include "server/run/run_follower.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <future>

#include "tests/proto/base/settable_clock.h"
#include "tests/server/run/scripted_place.h"

namespace torchlap::run {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

v1::WorkerRequest Request() {
  v1::WorkerRequest request;
  request.set_run_id("3.1");
  request.mutable_workload()->mutable_transformer_lm()->set_pass_type(
      v1::PASS_TYPE_FORWARD_BACKWARD);
  request.mutable_plan()->set_warmup_steps(1);
  request.mutable_plan()->set_measure_steps(2);
  request.mutable_plan()->set_time_limit_ns(900 * kSecondNs);
  return request;
}

v1::Run StartedRun() {
  v1::Run run;
  run.set_run_id("3.1");
  run.set_job_id(3);
  *run.mutable_workload() = Request().workload();
  *run.mutable_plan() = Request().plan();
  return run;
}

// One worker, followed on a thread of its own.
class RunFollowerTest : public testing::Test {
 protected:
  RunFollowerTest() : began_ns_(clock_.MonotonicNs()), record_(StartedRun()) {
    orders_.clock = &clock_;
    orders_.wake_up = &wake_up_;
    orders_.deadline_ns = began_ns_ + 900 * kSecondNs;
    orders_.stop_cause = [this] { return cause_.load(); };
  }

  // Also where a test gave up: nobody is left waiting.
  ~RunFollowerTest() override {
    if (script_) script_->Die(SIGKILL);
  }

  void Follow(const absl::Status& request_taken = absl::OkStatus()) {
    worker_ = *ScriptedPlace(&stage_, "cpu0").Start("3.1");
    script_ = stage_.AwaitWorker();
    script_->RefuseRequest(request_taken);
    end_ = std::async(std::launch::async,
                      [this] { return FollowWorker(Request(), orders_, worker_.get(), &record_); });
  }

  v1::Run End() {
    const WorkerEnd end = end_.get();
    return std::move(record_).Finish(end, {}, 1).run;
  }

  void Ask(StopCause cause) {
    cause_ = cause;
    wake_up_.Notify();
  }

  SettableClock clock_;
  const int64_t began_ns_;
  WakeUp wake_up_;
  std::atomic<StopCause> cause_ = StopCause::kNone;
  FollowOrders orders_;
  RunRecord record_;
  Stage stage_;
  std::unique_ptr<Worker> worker_;
  std::shared_ptr<WorkerScript> script_;
  std::future<WorkerEnd> end_;
};

TEST_F(RunFollowerTest, AGoodLifeEndsOk) {
  Follow();
  LiveWell(script_.get(), Request());
  EXPECT_EQ(End().outcome(), v1::OUTCOME_OK);
}

TEST_F(RunFollowerTest, ABrokenProtocolCostsNothingWhileTheProcessLives) {
  Follow();
  script_->IgnoreSignals();
  script_->SayGarbage();
  ASSERT_TRUE(script_->AwaitKill());
  // Asleep, though the garbage can still be read: with no deadline left nothing but its end counts.
  ASSERT_TRUE(clock_.AwaitSleepUntil(Clock::kNever));
  const uint64_t sleeps = clock_.sleeps();
  script_->SayGarbage();
  Ask(StopCause::kCancel);
  ASSERT_TRUE(clock_.AwaitSleeps(sleeps + 1)) << "woken by the wish alone, it sleeps again";
  EXPECT_EQ(clock_.sleeps(), sleeps + 1);
  script_->Die(SIGKILL);
  const v1::Run run = End();
  EXPECT_EQ(run.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(run.failure().detail(), "the worker sent bytes that are no event");
}

TEST_F(RunFollowerTest, AnEventOutOfPlaceEndsTheWorkerToo) {
  Follow();
  script_->Say(Hello());
  script_->Say(Hello());
  ASSERT_TRUE(script_->AwaitKill());
  EXPECT_EQ(End().failure().detail(), "the worker said hello twice");
}

TEST_F(RunFollowerTest, ACancelledWorkerIsAskedFirstAndKilledAfterTheGrace) {
  Follow();
  ASSERT_TRUE(script_->AwaitRequest());
  script_->IgnoreSignals();
  Ask(StopCause::kCancel);
  ASSERT_TRUE(script_->AwaitTerminate());
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 3 * kSecondNs));
  EXPECT_EQ(script_->kills(), 0);
  clock_.Advance(3 * kSecondNs);
  ASSERT_TRUE(script_->AwaitKill());
  script_->Die(SIGKILL);
  EXPECT_EQ(End().outcome(), v1::OUTCOME_CANCELLED);
}

TEST_F(RunFollowerTest, AWorkerThatLingersAfterItsResultIsKilledAndHasCrashed) {
  Follow();
  for (v1::WorkerEvent& event : GoodLife(Request())) script_->Say(std::move(event));
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 10 * kSecondNs)) << "longer than the grace";
  clock_.Advance(10 * kSecondNs);
  ASSERT_TRUE(script_->AwaitKill());
  const v1::Run run = End();
  EXPECT_EQ(run.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(run.failure().detail(), "the worker did not end after its result, and was killed");
}

TEST_F(RunFollowerTest, AWorkerThatDiesAfterItsResultHasCrashed) {
  Follow();
  for (v1::WorkerEvent& event : GoodLife(Request())) script_->Say(std::move(event));
  script_->Die(SIGSEGV);
  const v1::Run run = End();
  EXPECT_EQ(run.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_NE(run.failure().detail().find("killed by signal 11"), std::string::npos)
      << run.failure().detail();
}

TEST_F(RunFollowerTest, AWishToStopThatCameTooLateLeavesTheResult) {
  Follow();
  for (v1::WorkerEvent& event : GoodLife(Request())) script_->Say(std::move(event));
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 10 * kSecondNs)) << "its time to end";
  Ask(StopCause::kShutdown);
  script_->Exit(0);
  EXPECT_EQ(End().outcome(), v1::OUTCOME_OK);
}

TEST_F(RunFollowerTest, ARequestThatTheKernelHasNoRoomForIsNoFaultOfTheJob) {
  Follow(
      absl::ResourceExhaustedError("cannot hand the worker its request: Cannot allocate memory"));
  ASSERT_TRUE(script_->AwaitKill());
  const v1::Run run = End();
  EXPECT_EQ(run.outcome(), v1::OUTCOME_INTERRUPTED);
  EXPECT_NE(run.failure().detail().find("Cannot allocate memory"), std::string::npos);
}

TEST_F(RunFollowerTest, ARequestThatNobodyTakesIsSeenByTheEndOfTheWorker) {
  Follow(absl::UnavailableError("the worker closed its socket"));
  script_->Exit(3);
  EXPECT_EQ(End().outcome(), v1::OUTCOME_CRASHED);
}

TEST_F(RunFollowerTest, TheTimeLimitEndsIt) {
  Follow();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 900 * kSecondNs));
  clock_.Advance(900 * kSecondNs);
  ASSERT_TRUE(script_->AwaitTerminate());
  EXPECT_EQ(End().outcome(), v1::OUTCOME_TIMED_OUT);
}

TEST_F(RunFollowerTest, AWishThatCannotBeReadIsAskedForAgain) {
  std::atomic<int> asked = 0;
  orders_.stop_cause = [&]() -> absl::StatusOr<StopCause> {
    switch (++asked) {
      case 1:
        return StopCause::kNone;
      case 2:
        return absl::UnavailableError("the database cannot be read");
      default:
        return StopCause::kCancel;
    }
  };
  Follow();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 900 * kSecondNs));
  wake_up_.Notify();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + kSecondNs));
  EXPECT_EQ(script_->terminations(), 0);
  clock_.Advance(kSecondNs);
  ASSERT_TRUE(script_->AwaitTerminate());
  EXPECT_EQ(End().outcome(), v1::OUTCOME_CANCELLED);
}

TEST_F(RunFollowerTest, SamplesAreTakenWhenTheyAreDueUntilTheResult) {
  std::atomic<int> samples = 0;
  orders_.next_sample_ns = [&] {
    return std::optional<int64_t>(began_ns_ + (samples + 1) * kSecondNs / 2);
  };
  orders_.sample = [&] { ++samples; };
  Follow();
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + i * kSecondNs / 2));
    EXPECT_EQ(samples, i - 1);
    clock_.Advance(kSecondNs / 2);
  }
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 4 * kSecondNs / 2));
  for (v1::WorkerEvent& event : GoodLife(Request())) script_->Say(std::move(event));
  ASSERT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + 10 * kSecondNs)) << "its end alone";
  script_->Exit(0);
  End();
  EXPECT_EQ(samples, 3);
}

TEST_F(RunFollowerTest, ProgressIsToldAfterEventsAndOnlyThen) {
  std::atomic<int> told = 0;
  orders_.progressed = [&] { ++told; };
  Follow();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 900 * kSecondNs));
  EXPECT_EQ(told, 0);
  LiveWell(script_.get(), Request());
  End();
  EXPECT_GE(told, 1);
}

TEST_F(RunFollowerTest, AKillByTheKernelForMemoryIsOutOfMemory) {
  uint64_t kills = 7;
  orders_.memory_kills = [&] { return std::optional<uint64_t>(kills++); };
  Follow();
  ASSERT_TRUE(script_->AwaitRequest());
  script_->Say(Hello());
  script_->Die(SIGKILL);
  EXPECT_EQ(End().outcome(), v1::OUTCOME_OUT_OF_MEMORY);
}

TEST_F(RunFollowerTest, AKillWithoutTheKernelsDoingIsACrash) {
  orders_.memory_kills = [] { return std::optional<uint64_t>(7); };
  Follow();
  ASSERT_TRUE(script_->AwaitRequest());
  script_->Die(SIGKILL);
  EXPECT_EQ(End().outcome(), v1::OUTCOME_CRASHED);
}

}  // namespace
}  // namespace torchlap::run
