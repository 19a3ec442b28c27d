#include "server/run/run_record.h"

#include <gtest/gtest.h>

#include "server/measure/identity.h"

namespace torchlap::run {
namespace {

v1::Run StartedRun() {
  v1::Run run;
  run.set_run_id("3.1");
  run.set_job_id(3);
  v1::TransformerLm* model = run.mutable_workload()->mutable_transformer_lm();
  model->set_layers(1);
  model->set_batch_size(2);
  model->set_context_length(8);
  model->set_pass_type(v1::PASS_TYPE_FORWARD);
  run.mutable_plan()->set_warmup_steps(1);
  run.mutable_plan()->set_measure_steps(2);
  run.mutable_plan()->set_time_limit_ns(2'000'000'000);
  return run;
}

v1::WorkerEvent Hello(uint32_t version = 1) {
  v1::WorkerEvent event;
  event.mutable_hello()->set_protocol_version(version);
  event.mutable_hello()->set_torch_version("2.11.0");
  return event;
}

v1::WorkerEvent Built() {
  v1::WorkerEvent event;
  event.mutable_built()->mutable_environment()->set_threads(1);
  return event;
}

v1::SampleBlock Steps(uint32_t first, int count) {
  v1::SampleBlock block;
  block.set_first_step(first);
  for (int i = 0; i < count; ++i) {
    block.add_start_ns(100 * (i + 1));
    block.add_forward_ns(10 * (static_cast<int>(first) + i + 1));
    block.add_step_ns(10 * (static_cast<int>(first) + i + 1));
  }
  return block;
}

v1::WorkerEvent StepsEvent(uint32_t first, int count) {
  v1::WorkerEvent event;
  *event.mutable_steps()->mutable_samples() = Steps(first, count);
  return event;
}

v1::WorkerEvent Result(uint32_t first, int count) {
  v1::WorkerEvent event;
  *event.mutable_result()->mutable_samples() = Steps(first, count);
  return event;
}

v1::WorkerEvent OutOfMemory() {
  v1::WorkerEvent event;
  event.mutable_failed()->set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  event.mutable_failed()->mutable_failure()->set_asked_bytes(77);
  return event;
}

storage::FinishedRun Finish(RunRecord record, const WorkerEnd& end) {
  return std::move(record).Finish(end, {}, 5'000);
}

WorkerEnd Stopped(StopCause cause) {
  WorkerEnd end;
  end.stop_cause = cause;
  end.exit_signal = 15;
  return end;
}

TEST(RunRecordTest, AResultWithAllStepsIsOkAndSummarised) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  ASSERT_TRUE(record.Take(StepsEvent(0, 1)).ok());
  ASSERT_TRUE(record.Take(Result(1, 2)).ok());
  const storage::FinishedRun finished = Finish(std::move(record), {});
  EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_OK);
  EXPECT_DOUBLE_EQ(finished.run.forward().mean_ns(), 25);  // steps 1 and 2; step 0 is warm-up
  EXPECT_EQ(finished.samples.step_ns_size(), 3);
  EXPECT_EQ(finished.run.duration_ns(), 5'000);
  EXPECT_EQ(finished.run.workload_hash(), measure::WorkloadHash(finished.run.workload()));
  EXPECT_EQ(finished.run.environment_hash(), finished.environment->environment_hash());
}

TEST(RunRecordTest, AResultCountsEvenIfACancellationCameTooLate) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Result(0, 3)).ok());
  EXPECT_EQ(Finish(std::move(record), Stopped(StopCause::kCancel)).run.outcome(), v1::OUTCOME_OK);
}

TEST(RunRecordTest, AResultWithMissingStepsIsNoResult) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  EXPECT_FALSE(record.Take(Result(0, 2)).ok());
  EXPECT_FALSE(record.is_complete());
}

TEST(RunRecordTest, AResultThatStopsByPrecisionHasTheStepsItSays) {
  v1::Run run = StartedRun();
  run.mutable_plan()->set_target_precision(0.01);
  for (const uint32_t measured : {4u, 5u}) {
    RunRecord record(run);
    ASSERT_TRUE(record.Take(Hello()).ok());
    v1::WorkerEvent event = Result(0, 6);
    event.mutable_result()->set_stop_reason(v1::STOP_REASON_REACHED);
    event.mutable_result()->set_warmup_steps(2);
    event.mutable_result()->set_measured_steps(measured);
    EXPECT_EQ(record.Take(event).ok(), measured == 4);
    const storage::FinishedRun finished = Finish(std::move(record), {});
    if (measured != 4) continue;
    EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_OK);
    EXPECT_EQ(finished.run.stop_reason(), v1::STOP_REASON_REACHED);
    EXPECT_EQ(finished.samples.warmup_steps(), 2u);
  }
}

TEST(RunRecordTest, ACalibrationHasAResultAndNoSteps) {
  v1::Run run = StartedRun();
  run.mutable_workload()->mutable_calibration();
  run.set_purpose(v1::PURPOSE_CALIBRATE);
  RunRecord record(run);
  ASSERT_TRUE(record.Take(Hello()).ok());
  v1::WorkerEvent event;
  event.mutable_result()->mutable_calibration()->set_memory_bytes_per_s(5e9);
  ASSERT_TRUE(record.Take(event).ok());
  const storage::FinishedRun finished = Finish(std::move(record), {});
  EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_OK);
  EXPECT_EQ(finished.run.calibration().memory_bytes_per_s(), 5e9);
  EXPECT_EQ(finished.samples.step_ns_size(), 0);
}

TEST(RunRecordTest, AResultWithAGapIsNoResult) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  EXPECT_FALSE(record.Take(Result(1, 3)).ok());
  EXPECT_FALSE(record.is_complete());
  EXPECT_EQ(Finish(std::move(record), Stopped(StopCause::kBrokenProtocol)).run.outcome(),
            v1::OUTCOME_CRASHED);
}

TEST(RunRecordTest, SamplesWithAGapAreRefused) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  EXPECT_FALSE(record.Take(StepsEvent(1, 1)).ok());
  v1::WorkerEvent ragged = StepsEvent(0, 2);
  ragged.mutable_steps()->mutable_samples()->mutable_forward_ns()->RemoveLast();
  EXPECT_FALSE(record.Take(ragged).ok());
}

TEST(RunRecordTest, HelloComesFirstOnceAndInTheRightVersion) {
  EXPECT_FALSE(RunRecord(StartedRun()).Take(Built()).ok());
  EXPECT_FALSE(RunRecord(StartedRun()).Take(Hello(2)).ok());
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  EXPECT_FALSE(record.Take(Hello()).ok());
}

TEST(RunRecordTest, NothingMayFollowTheResult) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Result(0, 3)).ok());
  EXPECT_FALSE(record.Take(StepsEvent(3, 1)).ok());
}

TEST(RunRecordTest, TheWorkersOwnFailureIsTheOutcome) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(OutOfMemory()).ok());
  const v1::Run run = Finish(std::move(record), {}).run;
  EXPECT_EQ(run.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(run.failure().asked_bytes(), 77U);
}

TEST(RunRecordTest, AFailureThatNoWorkerMayReportIsACrash) {
  RunRecord record(StartedRun());
  v1::WorkerEvent skipped = OutOfMemory();
  skipped.mutable_failed()->set_outcome(v1::OUTCOME_OK);
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(skipped).ok());
  EXPECT_EQ(Finish(std::move(record), {}).run.outcome(), v1::OUTCOME_CRASHED);
}

TEST(RunRecordTest, WhyTheDaemonStoppedItIsTheOutcome) {
  const auto outcome = [](StopCause cause) {
    return Finish(RunRecord(StartedRun()), Stopped(cause)).run.outcome();
  };
  EXPECT_EQ(outcome(StopCause::kCancel), v1::OUTCOME_CANCELLED);
  EXPECT_EQ(outcome(StopCause::kTimeLimit), v1::OUTCOME_TIMED_OUT);
  EXPECT_EQ(outcome(StopCause::kShutdown), v1::OUTCOME_INTERRUPTED);
  EXPECT_EQ(outcome(StopCause::kBrokenProtocol), v1::OUTCOME_CRASHED);
  EXPECT_EQ(outcome(StopCause::kCannotStart), v1::OUTCOME_CRASHED);
  EXPECT_EQ(outcome(StopCause::kNoResources), v1::OUTCOME_INTERRUPTED);
}

TEST(RunRecordTest, AnEndWithoutAWordIsACrashWithItsLastLine) {
  WorkerEnd end;
  end.exit_signal = 11;
  end.last_log_line = "last words";
  const v1::Run run = Finish(RunRecord(StartedRun()), end).run;
  EXPECT_EQ(run.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(run.failure().signal(), 11);
  EXPECT_NE(run.failure().detail().find("last words"), std::string::npos);
}

TEST(RunRecordTest, AKillByTheKernelForMemoryIsOutOfMemory) {
  WorkerEnd end;
  end.exit_signal = 9;
  end.kernel_killed_for_memory = true;
  EXPECT_EQ(Finish(RunRecord(StartedRun()), end).run.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
}

TEST(RunRecordTest, ASkippedRunHasItsNumbersAndNoSamples) {
  v1::Failure failure;
  failure.set_asked_bytes(10);
  failure.set_free_bytes(5);
  const storage::FinishedRun finished = RunRecord(StartedRun()).FinishSkipped(failure);
  EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_SKIPPED);
  EXPECT_EQ(finished.run.failure().asked_bytes(), 10U);
  EXPECT_EQ(finished.samples.step_ns_size(), 0);
  EXPECT_FALSE(finished.environment.has_value());
}

TEST(RunRecordTest, ProgressCountsFromTheMomentTheModelStands) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  EXPECT_EQ(record.progress().steps_total(), 0U);
  ASSERT_TRUE(record.Take(Built()).ok());
  ASSERT_TRUE(record.Take(StepsEvent(0, 2)).ok());
  EXPECT_EQ(record.progress().steps_done(), 2U);
  EXPECT_EQ(record.progress().steps_total(), 3U);
  EXPECT_EQ(record.progress().step_ns(), 20);
}

}  // namespace
}  // namespace torchlap::run
