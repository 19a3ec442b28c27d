#include "server/run/run_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

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
    block.add_start_ns(100 * (static_cast<int>(first) + i + 1));
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
  ASSERT_TRUE(record.Take(Built()).ok());
  ASSERT_TRUE(record.Take(Result(0, 3)).ok());
  EXPECT_EQ(Finish(std::move(record), Stopped(StopCause::kCancel)).run.outcome(), v1::OUTCOME_OK);
}

TEST(RunRecordTest, AResultWithMissingStepsIsNoResult) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  EXPECT_FALSE(record.Take(Result(0, 2)).ok());
  EXPECT_FALSE(record.is_complete());
}

TEST(RunRecordTest, AResultThatStopsByPrecisionHasTheStepsItSays) {
  v1::Run run = StartedRun();
  run.mutable_plan()->set_target_precision(0.01);
  run.mutable_plan()->set_max_steps(1000);
  for (const uint32_t measured : {4u, 5u}) {
    RunRecord record(run);
    ASSERT_TRUE(record.Take(Hello()).ok());
    ASSERT_TRUE(record.Take(Built()).ok());
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

TEST(RunRecordTest, ACalibrationMayHaveAResultAndNoSteps) {
  v1::Run run = StartedRun();
  run.mutable_workload()->mutable_calibration();
  run.set_purpose(v1::PURPOSE_CALIBRATE);
  RunRecord record(run);
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  v1::WorkerEvent event;
  event.mutable_result()->mutable_calibration()->set_memory_bytes_per_s(5e9);
  ASSERT_TRUE(record.Take(event).ok());
  const storage::FinishedRun finished = Finish(std::move(record), {});
  EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_OK);
  EXPECT_EQ(finished.run.calibration().memory_bytes_per_s(), 5e9);
  EXPECT_EQ(finished.samples.step_ns_size(), 0);
}

TEST(RunRecordTest, ACalibrationsStepsAreItsProducts) {
  for (const uint32_t products : {3U, 4U}) {
    v1::Run run = StartedRun();
    run.mutable_workload()->mutable_calibration();
    run.set_purpose(v1::PURPOSE_CALIBRATE);
    RunRecord record(run);
    ASSERT_TRUE(record.Take(Hello()).ok());
    ASSERT_TRUE(record.Take(Built()).ok());
    v1::WorkerEvent event;
    v1::WorkerResult* result = event.mutable_result();
    result->mutable_calibration()->set_memory_bytes_per_s(5e9);
    for (int64_t i = 0; i < 3; ++i) {
      result->mutable_samples()->add_start_ns(1000 * i);
      result->mutable_samples()->add_step_ns(100 + 200 * i);
      result->mutable_samples()->add_foreign_cpu_ns(0);
    }
    result->set_measured_steps(products);
    EXPECT_EQ(record.Take(event).ok(), products == 3);
    if (products != 3) continue;
    const storage::FinishedRun finished = Finish(std::move(record), {});
    EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_OK);
    EXPECT_EQ(finished.samples.step_ns_size(), 3);
    EXPECT_EQ(finished.samples.warmup_steps(), 0U);
    EXPECT_EQ(finished.run.actual_measure_steps(), 3U);
    // Products of several kinds have no mean.
    EXPECT_FALSE(finished.run.has_step());
    EXPECT_FALSE(finished.run.has_settles_at_step());
  }
}

TEST(RunRecordTest, AResultWithAGapIsNoResult) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  EXPECT_FALSE(record.Take(Result(1, 3)).ok());
  EXPECT_FALSE(record.is_complete());
  EXPECT_EQ(Finish(std::move(record), Stopped(StopCause::kBrokenProtocol)).run.outcome(),
            v1::OUTCOME_CRASHED);
}

TEST(RunRecordTest, SamplesWithAGapAreRefused) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
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
  ASSERT_TRUE(record.Take(Built()).ok());
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
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  EXPECT_EQ(Finish(std::move(record), end).run.outcome(), v1::OUTCOME_OUT_OF_MEMORY);
}

// A process that has not come to its first word has nothing of the job yet.
TEST(RunRecordTest, AStartThatTheHostHadNoRoomForIsNoFaultOfTheJob) {
  WorkerEnd killed;
  killed.exit_signal = 9;
  killed.kernel_killed_for_memory = true;
  EXPECT_EQ(Finish(RunRecord(StartedRun()), killed).run.outcome(), v1::OUTCOME_INTERRUPTED);
  for (
      const std::string line :
      {"error while loading shared libraries: libc10.so: failed to map segment from shared object: "
       "Cannot allocate memory",
       "error while loading shared libraries: libtorch_cpu.so: cannot open shared object file: Too "
       "many open files in system",
       "libgomp: Thread creation failed: Resource temporarily unavailable",
       "  what():  Resource temporarily unavailable"}) {
    WorkerEnd end;
    end.exit_status = 127;
    end.last_log_line = line;
    const v1::Run run = Finish(RunRecord(StartedRun()), end).run;
    EXPECT_EQ(run.outcome(), v1::OUTCOME_INTERRUPTED) << line;
    EXPECT_THAT(run.failure().detail(), testing::StartsWith("no room for the worker: ")) << line;
    EXPECT_THAT(run.failure().detail(), testing::HasSubstr(line));
  }
}

TEST(RunRecordTest, AStartThatFailedForAnotherReasonIsACrash) {
  for (const std::string line :
       {"",
        "error while loading shared libraries: libc10.so: cannot open shared object file: No such "
        "file or directory"}) {
    WorkerEnd end;
    end.exit_status = 127;
    end.last_log_line = line;
    EXPECT_EQ(Finish(RunRecord(StartedRun()), end).run.outcome(), v1::OUTCOME_CRASHED) << line;
  }
}

// After its first word memory is what the job asked for, after its first step so are threads.
TEST(RunRecordTest, ThreadsThatCannotBeMadeAreNoFaultOfTheJobUntilItsFirstStep) {
  const auto outcome = [](bool has_steps, const std::string& line) {
    RunRecord record(StartedRun());
    EXPECT_TRUE(record.Take(Hello()).ok());
    EXPECT_TRUE(record.Take(Built()).ok());
    if (has_steps) {
      EXPECT_TRUE(record.Take(StepsEvent(0, 1)).ok());
    }
    WorkerEnd end;
    end.exit_status = 1;
    end.last_log_line = line;
    return Finish(std::move(record), end).run.outcome();
  };
  const std::string threads = "libgomp: Thread creation failed: Resource temporarily unavailable";
  EXPECT_EQ(outcome(false, threads), v1::OUTCOME_INTERRUPTED);
  EXPECT_EQ(outcome(true, threads), v1::OUTCOME_CRASHED);
  EXPECT_EQ(outcome(false, "mmap: Cannot allocate memory"), v1::OUTCOME_CRASHED);
}

TEST(RunRecordTest, AFailureForLackOfThreadsBeforeTheFirstStepIsNoFaultOfTheJob) {
  const auto outcome = [](v1::Outcome said, const std::string& detail) {
    RunRecord record(StartedRun());
    EXPECT_TRUE(record.Take(Hello()).ok());
    v1::WorkerEvent event;
    event.mutable_failed()->set_outcome(said);
    event.mutable_failed()->mutable_failure()->set_detail(detail);
    EXPECT_TRUE(record.Take(event).ok());
    return Finish(std::move(record), {}).run.outcome();
  };
  EXPECT_EQ(outcome(v1::OUTCOME_CRASHED, "Resource temporarily unavailable"),
            v1::OUTCOME_INTERRUPTED);
  EXPECT_EQ(outcome(v1::OUTCOME_CRASHED, "open: Too many open files"), v1::OUTCOME_INTERRUPTED);
  EXPECT_EQ(outcome(v1::OUTCOME_CRASHED, "shapes do not fit"), v1::OUTCOME_CRASHED);
  EXPECT_EQ(outcome(v1::OUTCOME_OUT_OF_MEMORY, "Resource temporarily unavailable"),
            v1::OUTCOME_OUT_OF_MEMORY);
}

RunRecord WithResult() {
  RunRecord record(StartedRun());
  EXPECT_TRUE(record.Take(Hello()).ok());
  EXPECT_TRUE(record.Take(Built()).ok());
  EXPECT_TRUE(record.Take(Result(0, 3)).ok());
  return record;
}

TEST(RunRecordTest, NothingButExitStatus0MayFollowAResult) {
  WorkerEnd good;
  good.exit_status = 0;
  EXPECT_EQ(Finish(WithResult(), good).run.outcome(), v1::OUTCOME_OK);
  WorkerEnd status;
  status.exit_status = 3;
  const v1::Run exited = Finish(WithResult(), status).run;
  EXPECT_EQ(exited.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(exited.failure().detail(),
            "the worker exited with status 3 after its result, must be 0");
  WorkerEnd signal;
  signal.exit_signal = 6;
  const v1::Run died = Finish(WithResult(), signal).run;
  EXPECT_EQ(died.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_THAT(died.failure().detail(), testing::HasSubstr("killed by signal 6"));
  WorkerEnd lingered;
  lingered.exit_signal = 9;
  lingered.lingered = true;
  const v1::Run stayed = Finish(WithResult(), lingered).run;
  EXPECT_EQ(stayed.outcome(), v1::OUTCOME_CRASHED);
  EXPECT_THAT(stayed.failure().detail(), testing::HasSubstr("did not end after its result"));
}

TEST(RunRecordTest, StepsThatTookLongerThanTheRunAreNamed) {
  // From 100 to 330 ns.
  EXPECT_EQ(WithResult().CheckTimeTaken(230), std::nullopt);
  EXPECT_EQ(WithResult().CheckTimeTaken(229),
            "the worker's report is unfit: its 3 steps took 230 ns, must be at most 229, the time "
            "of the whole run");
  EXPECT_EQ(RunRecord(StartedRun()).CheckTimeTaken(0), std::nullopt) << "no steps";
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

// What a broken or hostile worker may say: each is refused in one line that names it, and the run
// is CRASHED with what was good until then.
struct UnfitCase {
  std::string name;
  std::function<v1::WorkerEvent()> event;  // after hello, built and step 0
  std::string words;
};

v1::WorkerEvent Changed(v1::WorkerEvent event,
                        const std::function<void(v1::SampleBlock*)>& change) {
  change(event.has_steps()    ? event.mutable_steps()->mutable_samples()
         : event.has_result() ? event.mutable_result()->mutable_samples()
                              : event.mutable_failed()->mutable_samples());
  return event;
}

v1::WorkerEvent ChangedResult(const std::function<void(v1::WorkerResult*)>& change) {
  v1::WorkerEvent event = Result(1, 2);
  change(event.mutable_result());
  return event;
}

const double kNan = std::numeric_limits<double>::quiet_NaN();
const int64_t kHuge = std::numeric_limits<int64_t>::max();

std::vector<UnfitCase> UnfitCases() {
  using Block = v1::SampleBlock;
  return {
      {"a column that ends",
       [] { return Changed(StepsEvent(1, 2), [](Block* b) { b->clear_forward_ns(); }); },
       "forward_ns has 0 entries for 2 steps, must have 2"},
      {"a column that begins late",
       [] {
         return Changed(StepsEvent(1, 2), [](Block* b) {
           b->add_loss_ns(1);
           b->add_loss_ns(1);
         });
       },
       "loss_ns has 2 entries for 2 steps, must have 0"},
      {"a short column",
       [] {
         return Changed(StepsEvent(1, 2), [](Block* b) { b->mutable_start_ns()->RemoveLast(); });
       },
       "start_ns has 1 entries for 2 steps"},
      {"columns without steps",
       [] {
         v1::WorkerEvent e;
         e.mutable_steps()->mutable_samples()->add_run_delay_ns(7);
         return e;
       },
       "run_delay_ns has 1 entries for 0 steps"},
      {"a gap", [] { return StepsEvent(2, 1); }, "first_step is 2, must be 1"},
      {"a step again",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_first_step(0); }); },
       "first_step is 0, must be 1"},
      {"a first step that wraps around",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_first_step(4294967295u); }); },
       "first_step is 4294967295, must be 1"},
      {"a negative time",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_step_ns(0, -1); }); },
       "of step 1 is"},
      {"a step of no time",
       [] {
         return Changed(StepsEvent(1, 1), [](Block* b) {
           b->set_step_ns(0, 0);
           b->set_forward_ns(0, 0);
         });
       },
       "step_ns of step 1 is 0, must be 1 to 2000000000"},
      {"times of others whose sum is no number",
       [] {
         return Changed(Result(1, 2), [](Block* b) {
           b->add_foreign_cpu_ns(kHuge / 2);
           b->add_foreign_cpu_ns(kHuge / 2);
         });
       },
       "foreign_cpu_ns"},
      {"a negative phase",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_forward_ns(0, -20); }); },
       "forward_ns of step 1 is -20, must be 0 to 20"},
      {"a phase longer than its step",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_forward_ns(0, 21); }); },
       "forward_ns of step 1 is 21, must be 0 to 20"},
      {"a step longer than the time limit",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_step_ns(0, 2'000'000'001); }); },
       "step_ns of step 1 is 2000000001, must be 1 to 2000000000"},
      {"an absurd time",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_step_ns(0, kHuge); }); },
       "step_ns of step 1 is 9223372036854775807"},
      {"an absurd start, whose end would overflow",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_start_ns(0, kHuge); }); },
       "start_ns of step 1 is 9223372036854775807"},
      {"a start before the end of the step before",
       [] { return Changed(StepsEvent(1, 1), [](Block* b) { b->set_start_ns(0, 105); }); },
       "start_ns of step 1 is 105, must be at least 110"},
      {"more steps than the plan has", [] { return StepsEvent(1, 3); },
       "there are 4 steps, must be at most 3"},
      {"fewer steps than the plan has", [] { return Result(1, 1); }, "has 2 steps, must be 3"},
      {"a calibration that is no number",
       [] {
         return ChangedResult(
             [](v1::WorkerResult* r) { r->mutable_calibration()->set_memory_bytes_per_s(kNan); });
       },
       "result.calibration.memory_bytes_per_s is nan"},
      {"a peak that is infinite",
       [] {
         return ChangedResult([](v1::WorkerResult* r) {
           r->mutable_calibration()->add_matmul_peaks()->set_flops_per_s(
               std::numeric_limits<double>::infinity());
         });
       },
       "flops_per_s is inf"},
      {"a negative peak",
       [] {
         return ChangedResult([](v1::WorkerResult* r) {
           r->mutable_calibration()->add_matmul_peaks()->set_flops_per_s(-1);
         });
       },
       "flops_per_s is -1"},
      {"memory that the database cannot hold",
       [] {
         return ChangedResult([](v1::WorkerResult* r) {
           r->mutable_memory()->mutable_forward()->set_allocated_bytes(uint64_t{1} << 63);
         });
       },
       "is 9223372036854775808, must be at most 9223372036854775807"},
      {"a reason that is not known",
       [] {
         return ChangedResult(
             [](v1::WorkerResult* r) { r->set_stop_reason(static_cast<v1::StopReason>(77)); });
       },
       "result.stop_reason is 77, must be a value of StopReason"},
      {"a neighbour with a negative pid",
       [] {
         return ChangedResult([](v1::WorkerResult* r) { r->mutable_neighbour()->set_pid(-5); });
       },
       "result.neighbour.pid is -5"},
      {"a neighbour with negative time",
       [] {
         return ChangedResult([](v1::WorkerResult* r) { r->mutable_neighbour()->set_cpu_ns(-5); });
       },
       "result.neighbour.cpu_ns is -5"},
      {"built again", [] { return Built(); }, "built its model twice"},
      {"hello again", [] { return Hello(); }, "said hello twice"},
      {"a failure in a phase that is not known",
       [] {
         v1::WorkerEvent e = OutOfMemory();
         e.mutable_failed()->mutable_failure()->set_phase(static_cast<v1::Phase>(99));
         return e;
       },
       "failed.failure.phase is 99, must be a value of Phase"},
      {"a failure with ragged samples",
       [] {
         v1::WorkerEvent e = OutOfMemory();
         *e.mutable_failed()->mutable_samples() = Steps(1, 1);
         e.mutable_failed()->mutable_samples()->clear_forward_ns();
         return e;
       },
       "forward_ns has 0 entries"},
      {"nothing", [] { return v1::WorkerEvent(); }, "an event that is not known"},
  };
}

TEST(RunRecordTest, WhatCannotBeIsRefusedAndLeavesWhatWasGood) {
  for (const UnfitCase& each : UnfitCases()) {
    RunRecord record(StartedRun());
    ASSERT_TRUE(record.Take(Hello()).ok());
    ASSERT_TRUE(record.Take(Built()).ok());
    ASSERT_TRUE(record.Take(StepsEvent(0, 1)).ok());
    const absl::Status taken = record.Take(each.event());
    EXPECT_EQ(taken.code(), absl::StatusCode::kDataLoss) << each.name;
    EXPECT_THAT(std::string(taken.message()), testing::HasSubstr(each.words)) << each.name;
    WorkerEnd end = Stopped(StopCause::kBrokenProtocol);
    end.stop_detail = std::string(taken.message());
    const storage::FinishedRun finished = Finish(std::move(record), end);
    EXPECT_EQ(finished.run.outcome(), v1::OUTCOME_CRASHED) << each.name;
    EXPECT_EQ(finished.run.failure().detail(), taken.message()) << each.name;
    EXPECT_EQ(finished.samples.step_ns_size(), 1) << each.name;
    EXPECT_FALSE(finished.run.has_calibration()) << each.name;
  }
}

TEST(RunRecordTest, StepsAndResultsBeforeTheModelStandsAreRefused) {
  for (const v1::WorkerEvent& early : {StepsEvent(0, 1), Result(0, 3)}) {
    RunRecord record(StartedRun());
    ASSERT_TRUE(record.Take(Hello()).ok());
    EXPECT_FALSE(record.Take(early).ok());
  }
}

TEST(RunRecordTest, AnotherRunsReportIsRefused) {
  for (const std::string run_id : {"3.2", "4.1"}) {
    RunRecord record(StartedRun());
    ASSERT_TRUE(record.Take(Hello()).ok());
    v1::WorkerEvent built = Built();
    built.mutable_built()->set_run_id(run_id);
    EXPECT_EQ(record.Take(built).message(), "the worker works on run " + run_id + ", must be 3.1");
    v1::WorkerEvent failed;
    failed.mutable_failed()->set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
    failed.mutable_failed()->set_run_id(run_id);
    EXPECT_EQ(record.Take(failed).message(), "the worker works on run " + run_id + ", must be 3.1");
  }
  for (const std::string run_id : {"", "3.1"}) {
    RunRecord record(StartedRun());
    ASSERT_TRUE(record.Take(Hello()).ok());
    v1::WorkerEvent failed;
    failed.mutable_failed()->set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
    failed.mutable_failed()->set_run_id(run_id);
    EXPECT_TRUE(record.Take(failed).ok()) << run_id;
  }
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  v1::WorkerEvent built = Built();
  built.mutable_built()->set_run_id("3.1");
  EXPECT_TRUE(record.Take(built).ok());
}

TEST(RunRecordTest, ASecondResultTakesTheWorthOfTheFirst) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  ASSERT_TRUE(record.Take(Result(0, 3)).ok());
  EXPECT_FALSE(record.Take(Result(0, 3)).ok());
  EXPECT_EQ(Finish(std::move(record), Stopped(StopCause::kBrokenProtocol)).run.outcome(),
            v1::OUTCOME_CRASHED);
}

TEST(RunRecordTest, StepCountsThatOverflowWhenAddedAreRefused) {
  v1::Run run = StartedRun();
  run.mutable_plan()->set_target_precision(0.01);
  run.mutable_plan()->set_max_steps(10);
  RunRecord record(run);
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  v1::WorkerEvent event = Result(0, 3);
  event.mutable_result()->set_warmup_steps(4294967295u);
  event.mutable_result()->set_measured_steps(4);  // together 3, in 32 bits
  EXPECT_FALSE(record.Take(event).ok());
}

TEST(RunRecordTest, ALossThatIsNoNumberIsLeftOutAndTheRunIsOk) {
  for (const double loss : {kNan, std::numeric_limits<double>::infinity()}) {
    RunRecord record(StartedRun());
    ASSERT_TRUE(record.Take(Hello()).ok());
    ASSERT_TRUE(record.Take(Built()).ok());
    v1::WorkerEvent event = Result(0, 3);
    event.mutable_result()->set_first_loss(-0.5);
    event.mutable_result()->set_last_loss(loss);
    ASSERT_TRUE(record.Take(event).ok());
    const v1::Run finished = Finish(std::move(record), {}).run;
    EXPECT_EQ(finished.outcome(), v1::OUTCOME_OK);
    EXPECT_EQ(finished.first_loss(), -0.5);
    EXPECT_FALSE(finished.has_last_loss());
  }
}

TEST(RunRecordTest, TextsOfAWorkerAreCutAndPrintable) {
  RunRecord record(StartedRun());
  v1::WorkerEvent hello = Hello();
  hello.mutable_hello()->set_torch_version(std::string(300'000, 'v'));
  ASSERT_TRUE(record.Take(hello).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  v1::WorkerEvent failed = OutOfMemory();
  failed.mutable_failed()->mutable_failure()->set_detail("\x1b]0;title\x07" +
                                                         std::string(1 << 20, 'x'));
  failed.mutable_failed()->mutable_failure()->set_exit_status(5);
  ASSERT_TRUE(record.Take(failed).ok());
  const storage::FinishedRun finished = Finish(std::move(record), {});
  EXPECT_EQ(finished.environment->torch_version().size(), 4096U);
  EXPECT_EQ(finished.run.failure().detail().size(), 4096U);
  EXPECT_EQ(finished.run.failure().detail().substr(0, 17), "\\x1b]0;title\\x07x");
  EXPECT_TRUE(finished.run.failure().detail().ends_with("x…"));
  EXPECT_FALSE(finished.run.failure().has_exit_status()) << "the kernel's word, not the worker's";
}

TEST(RunRecordTest, TextsKeepTheirLettersAndAreCutBetweenThem) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  v1::WorkerEvent built = Built();
  std::string name;
  while (name.size() < 4095) name += "\u00e9";  // two bytes each: 4096 is the end of one
  built.mutable_built()->mutable_environment()->set_cpu_model("x" + name);
  built.mutable_built()->mutable_environment()->set_cpu_capability(
      "K\u00e4the\n\u202eevil\u0085\x7f");
  ASSERT_TRUE(record.Take(built).ok());
  const storage::FinishedRun finished = Finish(std::move(record), Stopped(StopCause::kCancel));
  EXPECT_EQ(finished.environment->cpu_capability(), "K\u00e4the\\n\\u202eevil\\u0085\\x7f");
  EXPECT_EQ(finished.environment->cpu_model().size(), 4096U);
  EXPECT_TRUE(finished.environment->cpu_model().ends_with("\u00e9…")) << "no half letter";
}

TEST(RunRecordTest, AWarmUpThatLastsATimeMayHaveManySteps) {
  v1::Run run = StartedRun();
  run.mutable_plan()->set_warmup_until_settled(true);
  run.mutable_plan()->set_min_warmup_ns(3'000'000'000);
  run.mutable_plan()->set_time_limit_ns(900'000'000'000);
  RunRecord record(run);
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  v1::WorkerEvent steps;
  v1::SampleBlock* block = steps.mutable_steps()->mutable_samples();
  for (int i = 0; i < 3000; ++i) {
    block->add_start_ns(2'000'000 * int64_t{i});
    block->add_step_ns(1'000'000);
  }
  EXPECT_TRUE(record.Take(steps).ok());
}

TEST(RunRecordTest, TheMeasuredStepsBeginAfterTheWarmup) {
  RunRecord record(StartedRun());
  ASSERT_TRUE(record.Take(Hello()).ok());
  ASSERT_TRUE(record.Take(Built()).ok());
  v1::WorkerEvent steps;
  v1::SampleBlock* block = steps.mutable_steps()->mutable_samples();
  const auto take = [&](uint32_t step) {
    block->Clear();
    block->set_first_step(step);
    block->set_warmup_steps(1);
    block->add_start_ns(1'000'000 * (int64_t{step} + 1));
    block->add_step_ns(1000);
    return record.Take(steps);
  };
  EXPECT_EQ(record.measured_from_ns(), std::nullopt);
  ASSERT_TRUE(take(0).ok());
  EXPECT_EQ(record.measured_from_ns(), std::nullopt) << "a warm-up step";
  ASSERT_TRUE(take(1).ok());
  EXPECT_EQ(record.measured_from_ns(), 2'000'000);
  ASSERT_TRUE(take(2).ok());
  EXPECT_EQ(record.measured_from_ns(), 2'000'000);
  EXPECT_FALSE(record.has_result());
  ASSERT_TRUE(record.Take(Result(3, 0)).ok());
  EXPECT_TRUE(record.has_result());
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
