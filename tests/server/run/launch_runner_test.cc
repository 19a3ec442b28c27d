#include "server/run/launch_runner.h"

#include <future>

#include "server/measure/workload_kind.h"
#include "tests/server/run/run_fixture.h"

namespace torchlap::run {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

class LaunchRunnerTest : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    place_ = Place();
    setting_ = Setting();
    runner_.emplace(place_.get(), &setting_, &wake_up_, [](uint64_t) { return StopCause::kNone; });
  }

  std::future<LaunchResult> RunAside(const storage::StartedRun& started) {
    return std::async(std::launch::async, [this, started] { return runner_->Run(started); });
  }

  std::unique_ptr<ScriptedPlace> place_;
  DispatcherSetting setting_;
  WakeUp wake_up_;
  std::optional<LaunchRunner> runner_;
};

TEST_F(LaunchRunnerTest, ARunIsFinishedSummarisedJudgedAndIdentified) {
  stage_.PlayByThemselves();
  const storage::StartedRun started = Start(SubmitOne(storage::MakeJob()));
  const storage::FinishedRun finished = runner_->Run(started).finished;
  EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_OK);
  EXPECT_EQ(finished.run.run_id(), started.run.run_id());
  EXPECT_TRUE(finished.run.step().has_mean_ns());
  EXPECT_NE(finished.run.validity(), v1::VALIDITY_UNSPECIFIED);
  EXPECT_FALSE(finished.run.workload_hash().empty());
  EXPECT_EQ(finished.samples.step_ns_size(), 15);
}

TEST_F(LaunchRunnerTest, TelemetryHearsWhereTheMeasuredStepsBeginAndThatTheyHaveEnded) {
  const storage::StartedRun started = Start(SubmitOne(storage::MakeJob()));
  std::future<LaunchResult> result = RunAside(started);
  const auto script = stage_.AwaitWorker();
  ASSERT_TRUE(script != nullptr && script->AwaitRequest());
  const v1::Plan plan = script->request().plan();
  const auto warmup = static_cast<int>(plan.warmup_steps());
  const auto measured = static_cast<int>(plan.measure_steps());
  script->Say(Hello());
  script->Say(Built());
  script->Say(StepsEvent(0, warmup));
  script->Say(StepsEvent(plan.warmup_steps(), measured));
  script->Say(ResultEvent(plan.warmup_steps(), plan.measure_steps()));
  script->Exit(0);
  const storage::FinishedRun finished = result.get().finished;
  ASSERT_EQ(finished.run.outcome(), v1::OUTCOME_OK);
  const std::vector<Stage::MeasuredWord> words = stage_.measured();
  ASSERT_FALSE(words.empty());
  for (const Stage::MeasuredWord& word : words) {
    EXPECT_EQ(word.from_ns, finished.samples.start_ns(warmup));
  }
  EXPECT_TRUE(words.back().has_ended);
}

TEST_F(LaunchRunnerTest, TheEnvironmentIsThatOfTheBeginning) {
  v1::Environment before;
  before.set_gpu_power_limit_mw(400'000);
  v1::Environment after;
  after.set_gpu_power_limit_mw(300'000);
  stage_.PlayByThemselves();
  stage_.SetEnvironment(before);
  stage_.OnStart([&](const std::string&) { stage_.SetEnvironment(after); });
  const storage::FinishedRun finished = runner_->Run(Start(SubmitOne(storage::MakeJob()))).finished;
  ASSERT_TRUE(finished.environment.has_value());
  EXPECT_EQ(finished.environment->gpu_power_limit_mw(), 400'000U);
  // The next one has another hash.
  const storage::FinishedRun next = runner_->Run(Start(SubmitOne(storage::MakeJob()))).finished;
  EXPECT_NE(next.run.environment_hash(), finished.run.environment_hash());
}

struct NotStartedCase {
  absl::Status failure;
  v1::Outcome outcome;
};

TEST_F(LaunchRunnerTest, WhyThereIsNoWorkerDecidesTheOutcome) {
  const NotStartedCase cases[] = {
      {absl::ResourceExhaustedError("no descriptors"), v1::OUTCOME_INTERRUPTED},
      {absl::FailedPreconditionError("the driver is too old"), v1::OUTCOME_CUDA_ERROR},
      {absl::UnavailableError("no such program"), v1::OUTCOME_CRASHED},
      {absl::InternalError("something else"), v1::OUTCOME_CRASHED}};
  for (const NotStartedCase& each : cases) {
    stage_.FailNextStarts(each.failure, 1);
    const storage::FinishedRun finished =
        runner_->Run(Start(SubmitOne(storage::MakeJob()))).finished;
    EXPECT_EQ(finished.run.outcome(), each.outcome) << each.failure;
    EXPECT_EQ(finished.run.failure().detail(), each.failure.message());
  }
}

TEST_F(LaunchRunnerTest, WhereTimeIsKeptStepsMustFitIntoIt) {
  stage_.PlayByThemselves();
  place_->KeepTime();  // the clock stands still
  const storage::FinishedRun finished = runner_->Run(Start(SubmitOne(storage::MakeJob()))).finished;
  EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_THAT(finished.run.failure().detail(),
              testing::HasSubstr("must be at most 0, the time of the whole run"));
}

TEST_F(LaunchRunnerTest, ProgressIsReportedOnceASecond) {
  std::vector<uint32_t> steps;
  const uint64_t listener = hub_.Add([&](const v1::Progress* progress) {
    if (progress != nullptr) steps.push_back(progress->steps_done());
  });
  auto result = RunAside(Start(SubmitOne(storage::MakeJob())));
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  const int64_t deadline_ns = clock_.MonotonicNs() + 900 * kSecondNs;
  const auto say = [&](v1::WorkerEvent event) {
    ASSERT_TRUE(clock_.AwaitSleepUntil(deadline_ns));
    const uint64_t sleeps = clock_.sleeps();
    worker->Say(std::move(event));
    ASSERT_TRUE(clock_.AwaitSleeps(sleeps + 1));
  };
  say(Hello());
  say(Built());
  say(StepsEvent(0, 3));
  clock_.Advance(kSecondNs);
  say(StepsEvent(3, 2));
  say(StepsEvent(5, 10));
  worker->Say(ResultEvent(5, 10));
  worker->Exit(0);
  EXPECT_EQ(result.get().finished.run.outcome(), v1::OUTCOME_OK);
  hub_.Remove(listener);
  EXPECT_EQ(steps, (std::vector<uint32_t>{0, 5})) << "the hello, and after a second the steps";
}

TEST_F(LaunchRunnerTest, ASizeThatCannotFitByArithmeticIsNotTried) {
  storage::StartedRun started = Start(SubmitOne(storage::MakeJob()));
  Stage stage;
  ScriptedPlace small(&stage, "cpu0", /*memory_bytes=*/1 << 20);
  LaunchRunner runner(&small, &setting_, &wake_up_, [](uint64_t) { return StopCause::kNone; });
  const LaunchResult result = runner.Run(started);
  EXPECT_EQ(result.finished.run.outcome(), v1::OUTCOME_SKIPPED);
  EXPECT_EQ(stage.starts(), 0);
  EXPECT_GT(result.finished.run.failure().asked_bytes(), uint64_t{1} << 20);
}

TEST_F(LaunchRunnerTest, ASizeThatRanOutOfMemoryInTheSweepIsNotTriedAgain) {
  const storage::Submitted sweep =
      Submit({storage::MakeJob("small", 4, 256), storage::MakeJob("small", 8, 256)});
  const storage::StartedRun first = Start(sweep.job_ids[0]);
  Finish(storage::Ended(first, v1::OUTCOME_OUT_OF_MEMORY), storage::JobFailed("out of memory"));
  storage::StartedRun second = Start(sweep.job_ids[1]);
  second.job.mutable_spec()->mutable_oom()->set_retry(false);
  const LaunchResult result = runner_->Run(second);
  EXPECT_EQ(result.finished.run.outcome(), v1::OUTCOME_SKIPPED);
  EXPECT_THAT(result.finished.run.failure().detail(), testing::HasSubstr(first.run.run_id()));
}

TEST_F(LaunchRunnerTest, WhoHeldTheMemoryIsSaidOfARunThatLackedIt) {
  constexpr uint64_t kGib = uint64_t{1} << 30;
  host::ForeignWork others;
  others.held_bytes = 8 * kGib;
  others.holding.resize(1);
  others.holding[0].pid = 4211;
  others.holding[0].who.name = "python3";
  others.holding[0].who.user = "ann";
  stage_.SetOthers(others);
  const auto run_out = [&](uint64_t reserved_bytes) {
    auto result = RunAside(Start(SubmitOne(storage::MakeJob())));
    const auto worker = stage_.AwaitWorker();
    EXPECT_NE(worker, nullptr);
    if (worker == nullptr) return v1::Failure();
    v1::WorkerEvent built = Built();
    v1::MemoryUse& memory = *built.mutable_built()->mutable_memory();
    memory.set_device_total_bytes(24 * kGib);
    memory.set_device_free_bytes(15 * kGib);  // 8 GiB others, 1 GiB the context
    v1::WorkerEvent lack = OutOfMemoryEvent();
    v1::Failure& failure = *lack.mutable_failed()->mutable_failure();
    failure.set_asked_bytes(2 * kGib);
    failure.set_free_bytes(kGib);
    failure.set_reserved_bytes(reserved_bytes);
    failure.set_total_bytes(24 * kGib);
    for (const v1::WorkerEvent& event : {Hello(), built, lack}) worker->Say(event);
    worker->Exit(0);
    return result.get().finished.run.failure();
  };
  const v1::Failure held = run_out(14 * kGib);
  EXPECT_EQ(held.foreign_bytes(), 8 * kGib);
  EXPECT_EQ(held.detail(), "out of memory: memory of cpu0 is held by python3 (pid 4211, ann)");
  // They are asked for after the end, but had given it back by the time it ran out.
  const v1::Failure own = run_out(22 * kGib);
  EXPECT_EQ(own.foreign_bytes(), 0u);
  EXPECT_EQ(own.detail(), "it asked for too much");
  // On a device that nobody else can have memory of.
  stage_.SetOthers(std::nullopt);
  const v1::Failure alone = run_out(10 * kGib);
  EXPECT_FALSE(alone.has_foreign_bytes());
  EXPECT_EQ(alone.detail(), "it asked for too much");
}

TEST_F(LaunchRunnerTest, ARefusedLaunchIsSkippedAndSaysWhy) {
  const storage::FinishedRun refused =
      runner_->Refuse(Start(SubmitOne(storage::MakeJob())), "ann computes on it");
  EXPECT_EQ(refused.run.outcome(), v1::OUTCOME_SKIPPED);
  EXPECT_EQ(refused.run.failure().detail(), "cpu0 is busy: ann computes on it");
  EXPECT_EQ(refused.run.assessment().advice_size(), 0) << "no smaller size would help";
  EXPECT_EQ(stage_.starts(), 0);
}

TEST_F(LaunchRunnerTest, WhatADisplayHoldsIsNotCountedAsRoom) {
  const v1::Workload workload = Start(SubmitOne(storage::MakeJob())).run.workload();
  const uint64_t resident = measure::ResidentBytes(workload);
  const auto outcome = [&](uint64_t held_bytes) {
    Stage stage;
    stage.PlayByThemselves();
    stage.SetOthers(host::ForeignWork{{}, {}, held_bytes});
    ScriptedPlace place(&stage, "cpu0", resident + (uint64_t{10} << 20));
    LaunchRunner runner(&place, &setting_, &wake_up_, [](uint64_t) { return StopCause::kNone; });
    return runner.Run(Start(SubmitOne(storage::MakeJob()))).finished.run.outcome();
  };
  EXPECT_EQ(outcome(0), v1::OUTCOME_OK);
  EXPECT_EQ(outcome(uint64_t{5} << 20), v1::OUTCOME_OK);
  EXPECT_EQ(outcome(uint64_t{20} << 20), v1::OUTCOME_SKIPPED);
  // A neighbour may give back what it holds.
  EXPECT_EQ(outcome(resident / 2), v1::OUTCOME_OK);
}

}  // namespace
}  // namespace torchlap::run
