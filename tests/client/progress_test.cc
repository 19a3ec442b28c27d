#include "client/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <sstream>

#include "client/commands/followed_sweep.h"
#include "client/cost.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

v1::WatchJobsResponse Snapshot(const std::vector<v1::Job>& jobs, uint64_t sequence,
                               bool more = false) {
  v1::WatchJobsResponse response;
  for (const v1::Job& job : jobs) *response.mutable_snapshot()->add_jobs() = job;
  response.mutable_snapshot()->set_sequence(sequence);
  response.mutable_snapshot()->set_more(more);
  return response;
}

v1::WatchJobsResponse Event(uint64_t sequence, uint64_t job_id, v1::JobState state,
                            const v1::Run* run = nullptr) {
  v1::WatchJobsResponse response;
  response.mutable_event()->set_sequence(sequence);
  response.mutable_event()->set_job_id(job_id);
  response.mutable_event()->set_state(state);
  if (run != nullptr) *response.mutable_event()->mutable_run() = *run;
  return response;
}

v1::WatchJobsResponse Steps(uint64_t job_id, uint32_t done, uint32_t total, int64_t step_ns) {
  v1::WatchJobsResponse response;
  response.mutable_progress()->set_job_id(job_id);
  response.mutable_progress()->set_steps_done(done);
  response.mutable_progress()->set_steps_total(total);
  response.mutable_progress()->set_step_ns(step_ns);
  return response;
}

v1::Run Started() {
  v1::Run run = SmallRun();
  run.clear_outcome();
  return run;
}

TEST(Progress, FollowsJobsFromTheSnapshotToTheirEnds) {
  SweepProgress progress;
  EXPECT_FALSE(progress.finished()) << "nothing is known yet";
  progress.Apply(
      Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED), SmallJob(18, v1::JOB_STATE_QUEUED)}, 5));
  EXPECT_EQ(progress.total(), 2u);
  EXPECT_EQ(progress.sequence(), 5u);
  const v1::Run started = Started();
  EXPECT_THAT(progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &started)), IsEmpty());
  const v1::Run ended = SmallRun();
  const auto finished = progress.Apply(Event(7, 17, v1::JOB_STATE_SUCCEEDED, &ended));
  ASSERT_THAT(finished, SizeIs(1));
  EXPECT_EQ(finished[0].run->run_id(), "17.1");
  EXPECT_EQ(progress.done(), 1u);
  EXPECT_FALSE(progress.finished());
  progress.Apply(Event(8, 18, v1::JOB_STATE_FAILED));
  EXPECT_TRUE(progress.finished());
  EXPECT_EQ(progress.failed(), 1u);
  EXPECT_THAT(progress.job_ids(), ElementsAre(17, 18));
}

TEST(Detached, NamesWhatWasTypedUnlessItMeansAnotherSweepTomorrow) {
  const v1::Job job = SmallJob(17, v1::JOB_STATE_RUNNING);
  EXPECT_THAT(DetachedLine({"17", "sweep:nightly"}, job, {}),
              HasSubstr("torchlap watch 17 sweep:nightly; cancel it: torchlap cancel 17 sweep:n"));
  EXPECT_THAT(DetachedLine({}, job, {}), HasSubstr("torchlap watch sweep:3;"));
  EXPECT_THAT(DetachedLine({"last"}, job, {}), HasSubstr("torchlap cancel sweep:3\n"));
  EXPECT_THAT(DetachedLine({}, std::nullopt, {}), HasSubstr("torchlap watch last;"));
}

TEST(Progress, IsNotFinishedBeforeTheSnapshotIsWhole) {
  SweepProgress progress;
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_SUCCEEDED)}, 5, /*more=*/true));
  EXPECT_FALSE(progress.finished());
  EXPECT_FALSE(progress.sequence().has_value()) << "half a snapshot cannot be resumed";
  progress.Apply(Snapshot({SmallJob(18, v1::JOB_STATE_SUCCEEDED)}, 5));
  EXPECT_TRUE(progress.finished());
}

TEST(Progress, ReportsAJobOnceOverRepeatedEventsAndSnapshots) {
  SweepProgress progress;
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5));
  EXPECT_THAT(progress.Apply(Event(6, 17, v1::JOB_STATE_SUCCEEDED)), SizeIs(1));
  EXPECT_THAT(progress.Apply(Event(6, 17, v1::JOB_STATE_SUCCEEDED)), IsEmpty());
  EXPECT_THAT(progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_SUCCEEDED)}, 9)), IsEmpty());
}

TEST(Progress, IgnoresEventsFromBeforeTheConnectionBroke) {
  SweepProgress progress;
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_RUNNING)}, 9));
  progress.Apply(Event(8, 17, v1::JOB_STATE_QUEUED));
  EXPECT_EQ(progress.sequence(), 9u);
}

TEST(Progress, AnAttemptThatRanOutOfMemoryDoesNotFinishTheJob) {
  SweepProgress progress;
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_RUNNING)}, 5));
  const v1::Run attempt = OutOfMemoryRun();
  EXPECT_THAT(progress.Apply(Event(6, 17, v1::JOB_STATE_QUEUED, &attempt)), IsEmpty());
  EXPECT_EQ(progress.done(), 0u);
}

TEST(Estimate, IsUnknownBeforeTheFirstStep) {
  SweepProgress progress;
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5));
  EXPECT_FALSE(progress.remaining_seconds().has_value());
}

TEST(Estimate, GoesByTheStepsOfTheFirstCellAndThenByFinishedCells) {
  SweepProgress progress;
  progress.Apply(
      Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED), SmallJob(18, v1::JOB_STATE_QUEUED)}, 5));
  const v1::Run started = Started();
  progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &started));
  progress.Apply(Steps(17, 5, 15, 100'000'000));
  EXPECT_NEAR(*progress.remaining_seconds(), 1.0 + 1.5, 1e-9);
  v1::Run ended = SmallRun();
  ended.set_duration_ns(4'000'000'000);
  progress.Apply(Event(7, 17, v1::JOB_STATE_SUCCEEDED, &ended));
  EXPECT_NEAR(*progress.remaining_seconds(), 4.0, 1e-9);
}

// `small` with another setting.
v1::Job Other(uint64_t job_id, const std::function<void(v1::JobSpec*)>& change) {
  v1::Job job = SmallJob(job_id, v1::JOB_STATE_QUEUED);
  change(job.mutable_spec());
  return job;
}

v1::Run OfJob(const v1::Job& job, uint32_t number, uint32_t batch, v1::Outcome outcome,
              v1::Cause cause) {
  v1::Run run;
  run.set_job_id(job.job_id());
  run.set_run_id(std::to_string(job.job_id()) + "." + std::to_string(number));
  *run.mutable_workload() = job.spec().workload();
  run.mutable_workload()->mutable_transformer_lm()->set_batch_size(batch);
  *run.mutable_plan() = job.spec().plan();
  run.set_outcome(outcome);
  run.set_cause(cause);
  return run;
}

// A run of this job that took `step_seconds` a step and `beside_seconds` beside them.
v1::Run OkRun(const v1::Job& job, double step_seconds, double beside_seconds) {
  v1::Run run = OfJob(job, 1, job.spec().workload().transformer_lm().batch_size(), v1::OUTCOME_OK,
                      v1::CAUSE_FIRST);
  const v1::Plan& plan = run.plan();
  const double steps = plan.warmup_steps() + plan.measure_steps();
  run.mutable_step()->set_mean_ns(step_seconds * 1e9);
  run.set_duration_ns(std::llround((steps * step_seconds + beside_seconds) * 1e9));
  return run;
}

void SetContext(uint32_t context, v1::JobSpec* spec) {
  spec->mutable_workload()->mutable_transformer_lm()->set_context_length(context);
}

TEST(Progress, OfATracedJobTellsWhatWasMeasured) {
  const v1::Job job = SmallJob(17, v1::JOB_STATE_QUEUED);
  const v1::Run measured = OkRun(job, 0.1, 0);
  v1::Run trace = OkRun(job, 0.7, 0);
  trace.set_run_id("17.2");
  trace.set_purpose(v1::PURPOSE_TRACE);
  const auto last_of = [&](v1::Outcome outcome) {
    SweepProgress progress;
    progress.Apply(Snapshot({job}, 5));
    progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &measured));
    // Of no run: nothing was measured by it.
    progress.Apply(Event(7, 17, v1::JOB_STATE_QUEUED));
    trace.set_outcome(outcome);
    const auto finished = progress.Apply(Event(8, 17, v1::JOB_STATE_SUCCEEDED, &trace));
    return finished.size() == 1 && finished[0].run ? finished[0].run->run_id() : "none";
  };
  EXPECT_EQ(last_of(v1::OUTCOME_OK), "17.1");
  EXPECT_EQ(last_of(v1::OUTCOME_CRASHED), "17.2") << "why there is no trace";
}

TEST(ProgressLine, CountsStepsAsFarAsTheyAreKnown) {
  SweepProgress progress;
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5));
  const v1::Run started = Started();
  progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &started));
  const auto line = [&](uint32_t done, uint32_t total) {
    progress.Apply(Steps(17, done, total, 250'000'000));
    return ProgressLine(progress, 200, false);
  };
  EXPECT_THAT(line(0, 15), HasSubstr(" 0/15 steps, 250.0 ms"));
  EXPECT_THAT(line(4, 15), HasSubstr(" 4/15 steps, 250.0 ms"));
  EXPECT_THAT(line(4, 0), HasSubstr("  4 steps, 250.0 ms"));
  EXPECT_THAT(line(0, 0), HasSubstr("  building"));
}

TEST(Estimate, KnowsSizesAndWhatAProcessTakesBesideItsSteps) {
  const v1::Job small = SmallJob(17, v1::JOB_STATE_QUEUED);
  const v1::Job large = Other(18, [](v1::JobSpec* spec) { SetContext(1024, spec); });
  SweepProgress progress;
  progress.Apply(Snapshot({small, large}, 5));
  const v1::Run ended = OkRun(small, 0.1, 2);
  progress.Apply(Event(6, 17, v1::JOB_STATE_SUCCEEDED, &ended));
  const double growth = *StepFlops(large.spec().workload()) / *StepFlops(small.spec().workload());
  EXPECT_GT(growth, 4);
  EXPECT_NEAR(*progress.remaining_seconds(), 2 + 15 * 0.1 * growth, 1e-6);
}

TEST(Estimate, CountsStepsAndLaunches) {
  const v1::Job small = SmallJob(17, v1::JOB_STATE_QUEUED);
  const v1::Job longer = Other(18, [](v1::JobSpec* spec) {
    spec->mutable_plan()->set_measure_steps(95);
    spec->mutable_plan()->set_launches(3);
  });
  SweepProgress progress;
  progress.Apply(Snapshot({small, longer}, 5));
  const v1::Run ended = OkRun(small, 0.1, 1);
  progress.Apply(Event(6, 17, v1::JOB_STATE_SUCCEEDED, &ended));
  EXPECT_NEAR(*progress.remaining_seconds(), 3 * (1 + 100 * 0.1), 1e-6);
  v1::Run second = OfJob(longer, 2, 4, v1::OUTCOME_UNSPECIFIED, v1::CAUSE_FIRST);
  second.set_launch(1);
  progress.Apply(Event(7, 18, v1::JOB_STATE_RUNNING, &second));
  EXPECT_NEAR(*progress.remaining_seconds(), 2 * (1 + 100 * 0.1), 1e-6);
  progress.Apply(Steps(18, 60, 100, 100'000'000));
  EXPECT_NEAR(*progress.remaining_seconds(), 40 * 0.1 + 1 + 100 * 0.1, 1e-6);
  EXPECT_THAT(ProgressLine(progress, 200, false), HasSubstr("launch 2 of 3, 60/100 steps"));
}

TEST(Estimate, HasAPaceForEachPrecision) {
  const auto in = [](v1::Precision precision) {
    return [precision](v1::JobSpec* spec) {
      spec->mutable_workload()->mutable_transformer_lm()->set_precision(precision);
    };
  };
  const v1::Job fp32 = Other(17, in(v1::PRECISION_FP32));
  const v1::Job bf16 = Other(18, in(v1::PRECISION_BF16));
  SweepProgress progress;
  progress.Apply(Snapshot(
      {fp32, bf16, Other(19, in(v1::PRECISION_BF16)), Other(20, in(v1::PRECISION_FP16))}, 5));
  const v1::Run slow = OkRun(fp32, 0.3, 0);
  const v1::Run fast = OkRun(bf16, 0.1, 0);
  progress.Apply(Event(6, 17, v1::JOB_STATE_SUCCEEDED, &slow));
  progress.Apply(Event(7, 18, v1::JOB_STATE_SUCCEEDED, &fast));
  EXPECT_NEAR(*progress.remaining_seconds(), 15 * 0.1 + 15 * 0.2, 1e-6) << "fp16: of both";
}

TEST(Estimate, LearnsNothingFromARunThatFailedAtOnce) {
  const v1::Job job = SmallJob(17, v1::JOB_STATE_QUEUED);
  SweepProgress progress;
  progress.Apply(Snapshot({job, SmallJob(18, v1::JOB_STATE_QUEUED)}, 5));
  const v1::Run skipped = OfJob(job, 1, 4, v1::OUTCOME_SKIPPED, v1::CAUSE_FIRST);
  progress.Apply(Event(6, 17, v1::JOB_STATE_FAILED, &skipped));
  EXPECT_FALSE(progress.remaining_seconds().has_value());
}

TEST(Work, OfAStepGrowsWithPassAndSizes) {
  v1::Workload workload = SmallJob(17, v1::JOB_STATE_QUEUED).spec().workload();
  v1::TransformerLm* model = workload.mutable_transformer_lm();
  const double both = *StepFlops(workload);
  model->set_pass_type(v1::PASS_TYPE_FORWARD);
  EXPECT_NEAR(*StepFlops(workload) * 3, both, both * 1e-12);
  // Two FLOPs a weight and token, and attention's scores on top: the usual rule of thumb.
  EXPECT_NEAR(*StepFlops(workload) / (2.0 * 128'625'408 * 4 * 256), 1, 0.1);
  EXPECT_FALSE(StepFlops(v1::Workload()).has_value());
  v1::JobSpec fit = SmallJob(17, v1::JOB_STATE_QUEUED).spec();
  EXPECT_TRUE(LaunchFlops(fit).has_value());
  fit.set_purpose(v1::PURPOSE_FIT);
  EXPECT_FALSE(LaunchFlops(fit).has_value()) << "nobody knows how many tries it takes";
}

// What a watcher sees of the ladder: 300 runs out, 150 is ruled out, 75 begins.
struct Ladder {
  v1::Job job = SmallJob(17, v1::JOB_STATE_QUEUED);
  SweepProgress progress;

  Ladder() { progress.Apply(Snapshot({job}, 5)); }
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    for (const NextTry& next : progress.TakeTries()) lines.push_back(NextTryLine(next));
    return lines;
  }
  void Change(uint64_t sequence, v1::JobState state, const v1::Run& run) {
    progress.Apply(Event(sequence, 17, state, &run));
  }
};

TEST(Tries, OfTheLadderAreLines) {
  Ladder ladder;
  ladder.Change(6, v1::JOB_STATE_RUNNING,
                OfJob(ladder.job, 1, 300, v1::OUTCOME_UNSPECIFIED, v1::CAUSE_FIRST));
  v1::Run out = OfJob(ladder.job, 1, 300, v1::OUTCOME_OUT_OF_MEMORY, v1::CAUSE_FIRST);
  out.mutable_failure()->set_phase(v1::PHASE_BACKWARD);
  ladder.Change(7, v1::JOB_STATE_QUEUED, out);
  EXPECT_THAT(ladder.Lines(), IsEmpty()) << "what comes next is not known yet";
  ladder.Change(8, v1::JOB_STATE_QUEUED,
                OfJob(ladder.job, 2, 150, v1::OUTCOME_SKIPPED, v1::CAUSE_OOM_RETRY));
  EXPECT_THAT(ladder.Lines(),
              ElementsAre("17 small, forward-backward, batch 300, context 256: OUT_OF_MEMORY in "
                          "backward, trying batch 150"));
  v1::Run begun = OfJob(ladder.job, 3, 75, v1::OUTCOME_UNSPECIFIED, v1::CAUSE_OOM_RETRY);
  begun.mutable_workload()->mutable_transformer_lm()->set_context_length(128);
  ladder.Change(9, v1::JOB_STATE_RUNNING, begun);
  EXPECT_THAT(ladder.Lines(), ElementsAre("17 small, forward-backward, batch 150, context 256: "
                                          "SKIPPED, trying batch 75, context 128"));
  EXPECT_THAT(ladder.Lines(), IsEmpty()) << "once each";
}

TEST(Tries, AfterAnInterruptionOrANeighbourAreTheSameOnceMore) {
  Ladder ladder;
  ladder.Change(6, v1::JOB_STATE_QUEUED,
                OfJob(ladder.job, 1, 4, v1::OUTCOME_INTERRUPTED, v1::CAUSE_FIRST));
  v1::Run disturbed = DisturbedRun();
  ladder.Change(7, v1::JOB_STATE_RUNNING,
                OfJob(ladder.job, 2, 4, v1::OUTCOME_UNSPECIFIED, v1::CAUSE_INTERRUPTION));
  EXPECT_THAT(ladder.Lines(), ElementsAre("17 small, forward-backward, batch 4, context 256: "
                                          "INTERRUPTED, trying again"));
  ladder.Change(8, v1::JOB_STATE_QUEUED, disturbed);
  ladder.Change(9, v1::JOB_STATE_RUNNING,
                OfJob(ladder.job, 3, 4, v1::OUTCOME_UNSPECIFIED, v1::CAUSE_CONTAMINATION));
  EXPECT_THAT(ladder.Lines(), ElementsAre(testing::AllOf(HasSubstr(": contaminated: foreign-cpu"),
                                                         HasSubstr("stress-ng"),
                                                         testing::EndsWith(", trying again"))));
}

TEST(Tries, AreNotTheLaunchesThatFollowEachOther) {
  Ladder ladder;
  ladder.Change(6, v1::JOB_STATE_QUEUED, OkRun(ladder.job, 0.1, 1));
  ladder.Change(7, v1::JOB_STATE_RUNNING,
                OfJob(ladder.job, 2, 4, v1::OUTCOME_UNSPECIFIED, v1::CAUSE_FIRST));
  EXPECT_THAT(ladder.Lines(), IsEmpty());
}

TEST(Tries, OfAFitSayWhatFits) {
  Ladder ladder;
  v1::Run fits = OkRun(ladder.job, 0.1, 1);
  fits.set_purpose(v1::PURPOSE_FIT);
  ladder.Change(6, v1::JOB_STATE_QUEUED, fits);
  v1::Run next = OfJob(ladder.job, 2, 8, v1::OUTCOME_UNSPECIFIED, v1::CAUSE_FIT);
  next.set_purpose(v1::PURPOSE_FIT);
  ladder.Change(7, v1::JOB_STATE_RUNNING, next);
  EXPECT_THAT(ladder.Lines(), ElementsAre(HasSubstr("17.1 batch 4, context 256: fits")));
}

TEST(Cells, AreNamedByWhatDiffersAmongThem) {
  const auto set = [](v1::JobSpec* spec, v1::Precision precision, v1::Attention attention,
                      uint32_t steps) {
    v1::TransformerLm* model = spec->mutable_workload()->mutable_transformer_lm();
    model->set_precision(precision);
    model->set_attention(attention);
    spec->mutable_plan()->set_measure_steps(steps);
  };
  SweepProgress progress;
  progress.Apply(Snapshot(
      {Other(17, [&](auto* spec) { set(spec, v1::PRECISION_FP32, v1::ATTENTION_EXPLICIT, 10); }),
       Other(18, [&](auto* spec) { set(spec, v1::PRECISION_BF16, v1::ATTENTION_SDPA, 20); })},
      5));
  const v1::Run started = Started();
  progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &started));
  EXPECT_THAT(ProgressLine(progress, 200, false),
              testing::EndsWith("building  fp32, explicit attention, 10 steps"))
      << "what is the same everywhere would be cut off first on a narrow terminal";
  const auto finished = progress.Apply(Event(7, 18, v1::JOB_STATE_FAILED));
  ASSERT_THAT(finished, SizeIs(1));
  EXPECT_THAT(
      FinishedLine(finished[0], 1, 2),
      HasSubstr("18 small, forward-backward, batch 4, context 256, bf16, sdpa attention, 20 "
                "steps: FAILED"));
}

TEST(Cells, WithoutAWordForWhatDiffersAreNamedBySizeAndPass) {
  SweepProgress progress;
  progress.Apply(Snapshot(
      {SmallJob(17, v1::JOB_STATE_QUEUED),
       Other(18,
             [](auto* spec) { spec->mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH); })},
      5));
  const v1::Run started = Started();
  progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &started));
  EXPECT_THAT(ProgressLine(progress, 200, false),
              testing::EndsWith("building  small, forward-backward, batch 4, context 256"));
  progress.Apply(Event(7, 17, v1::JOB_STATE_SUCCEEDED));
  progress.Apply(Event(8, 18, v1::JOB_STATE_RUNNING, &started));
  EXPECT_THAT(ProgressLine(progress, 200, false), testing::EndsWith("building  cuda-graph"));
}

TEST(Cells, OfSeveralModelsAreNamedByThem) {
  SweepProgress progress;
  const v1::Job medium = Other(18, [](auto* spec) {
    spec->mutable_workload()->mutable_transformer_lm()->set_preset("medium");
    SetContext(64, spec);
  });
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED), medium}, 5));
  const v1::Run started = Started();
  progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &started));
  EXPECT_THAT(ProgressLine(progress, 200, false),
              testing::EndsWith("building  small, context 256"));
}

TEST(Cells, ThatAgreeAreNamedBySizeAndPass) {
  SweepProgress progress;
  progress.Apply(
      Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED), SmallJob(18, v1::JOB_STATE_QUEUED)}, 5));
  EXPECT_EQ(progress.Apply(Event(7, 18, v1::JOB_STATE_FAILED))[0].distinction, "");
}

TEST(ProgressLine, ShowsBarStepAndTimeLeft) {
  SweepProgress progress;
  progress.Apply(
      Snapshot({SmallJob(17, v1::JOB_STATE_SUCCEEDED), SmallJob(18, v1::JOB_STATE_QUEUED)}, 5));
  const v1::Run started = Started();
  progress.Apply(Event(6, 18, v1::JOB_STATE_RUNNING, &started));
  EXPECT_THAT(ProgressLine(progress, 200, false), HasSubstr(" 1/2  building  small,"));
  progress.Apply(Steps(18, 4, 15, 152'300'000));
  EXPECT_EQ(
      ProgressLine(progress, 200, false),
      "[==========          ] 1/2  4/15 steps, 152.3 ms, about 2 s left  small, forward-backward, "
      "batch 4, context 256");
}

TEST(ProgressLine, SaysThatARunIsNotStoredUntilItIs) {
  SweepProgress progress;
  v1::Job job = SmallJob(17, v1::JOB_STATE_RUNNING);
  progress.Apply(Snapshot({job}, 5));
  job.set_not_stored("the disk is full");
  progress.Apply(Snapshot({job}, 5));
  EXPECT_THAT(ProgressLine(progress, 200, false),
              HasSubstr("finished, not stored yet: the disk is full"));
  const v1::Run started = Started();
  progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &started));
  EXPECT_THAT(ProgressLine(progress, 200, false), Not(HasSubstr("not stored")));
}

TEST(ProgressLine, OfFinishedJobsHasNoEstimate) {
  SweepProgress progress;
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5));
  const v1::Run run = SmallRun();
  progress.Apply(Event(6, 17, v1::JOB_STATE_SUCCEEDED, &run));
  EXPECT_EQ(ProgressLine(progress, 80, false), "[====================] 1/1");
}

TEST(ProgressLine, IsCutToTheTerminalAndColouredOnlyIfAsked) {
  SweepProgress progress;
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5));
  EXPECT_EQ(ProgressLine(progress, 30, false), "[                    ] 0/1  w");
  EXPECT_THAT(ProgressLine(progress, 80, false), Not(HasSubstr("\x1b")));
  EXPECT_THAT(ProgressLine(progress, 80, true), HasSubstr("\x1b[32m["));
}

TEST(ProgressLine, DoesNotSteerTheTerminal) {
  SweepProgress progress;
  v1::Job job = SmallJob(17, v1::JOB_STATE_RUNNING);
  job.set_not_stored("\x1b[2J\u202ethe disk");
  progress.Apply(Snapshot({job}, 5));
  EXPECT_THAT(ProgressLine(progress, 200, false), HasSubstr("\\x1b[2J\\u202ethe disk"));
  EXPECT_THAT(ProgressLine(progress, 200, true), Not(HasSubstr("\x1b[2J")));
}

TEST(Display, SaysLinesThatDoNotSteerTheTerminal) {
  std::ostringstream err;
  Console console;
  console.err = &err;
  ProgressDisplay(console).Say("17: \x1b]0;t\x07\nforged\u009b");
  EXPECT_EQ(err.str(), "17: \\x1b]0;t\\x07\\nforged\\u009b\n");
}

TEST(FinishedLine, HasTheNumberOrTheReason) {
  v1::Job job = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(FinishedLine({job, SmallRun()}, 1, 2),
            "17 small, forward-backward, batch 4, context 256: 458 ± 16 ms a step (1 of 2)");
  EXPECT_EQ(FinishedLine({job, ShrunkRun()}, 1, 2),
            "17 small, forward-backward, batch 4, context 256: 4810 ± 160 ms a step, batch 4 -> 2 "
            "(OOM) (1 of 2)");
  EXPECT_THAT(FinishedLine({job, SmallRun(), ", 2 warm-up"}, 1, 2),
              HasSubstr("context 256, 2 warm-up: 458 ± 16"));
  job.set_state(v1::JOB_STATE_FAILED);
  EXPECT_THAT(FinishedLine({job, OutOfMemoryRun()}, 2, 2),
              HasSubstr("OUT_OF_MEMORY in backward: asked 2.31 GiB, free 410 MiB"));
  job.set_state(v1::JOB_STATE_CANCELLED);
  job.set_reason("cancelled by ann");
  EXPECT_THAT(FinishedLine({job, {}}, 2, 2), HasSubstr(": CANCELLED: cancelled by ann (2 of 2)"));
}

TEST(FinishedLine, OfSeveralLaunchesSaysThatItHasTheLastOneAlone) {
  v1::Job job = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
  for (const uint32_t launches : {2U, 3U, 7U}) {
    job.mutable_spec()->mutable_plan()->set_launches(launches);
    EXPECT_THAT(FinishedLine({job, SmallRun()}, 1, 1),
                HasSubstr(": the last of " + std::to_string(launches) +
                          " launches took 458 ± 16 ms a step (1 of 1)"));
  }
  job.set_state(v1::JOB_STATE_FAILED);
  EXPECT_THAT(FinishedLine({job, OutOfMemoryRun()}, 1, 1), Not(HasSubstr("launches")));
}

TEST(ProgressLine, TellsCancelledFromFailed) {
  const auto line = [](const std::vector<v1::JobState>& states) {
    SweepProgress progress;
    std::vector<v1::Job> jobs;
    for (const v1::JobState state : states) jobs.push_back(SmallJob(17 + jobs.size(), state));
    progress.Apply(Snapshot(jobs, 5));
    return ProgressLine(progress, 200, false);
  };
  EXPECT_THAT(line({v1::JOB_STATE_CANCELLED, v1::JOB_STATE_SUCCEEDED}),
              testing::EndsWith(" 2/2, 1 cancelled"));
  EXPECT_THAT(line({v1::JOB_STATE_CANCELLED, v1::JOB_STATE_FAILED}),
              testing::EndsWith(" 2/2, 1 failed, 1 cancelled"));
  EXPECT_THAT(line({v1::JOB_STATE_FAILED, v1::JOB_STATE_FAILED}),
              testing::EndsWith(" 2/2, 2 failed"));
  EXPECT_THAT(line({v1::JOB_STATE_SUCCEEDED}), testing::EndsWith(" 1/1"));
}

v1::WatchJobsResponse WaitsBehind(uint64_t job_id, uint32_t jobs_ahead) {
  v1::WatchJobsResponse change;
  change.mutable_waiting()->set_job_id(job_id);
  v1::WaitReason* reason = change.mutable_waiting()->mutable_reason();
  reason->set_code(v1::WaitReason::CODE_BEHIND);
  reason->set_jobs_ahead(jobs_ahead);
  return change;
}

TEST(ProgressLine, SaysWhyTheNextJobWaitsAsItWasToldLast) {
  SweepProgress progress;
  const auto line = [&] { return ProgressLine(progress, 200, false); };
  v1::Job later = SmallJob(18, v1::JOB_STATE_QUEUED);
  *later.mutable_wait() = WaitsBehind(18, 9).waiting().reason();
  progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED), later}, 5));
  EXPECT_EQ(progress.waiting_job(), 17U);
  EXPECT_THAT(line(), testing::EndsWith(" 0/2  waiting"));
  progress.Apply(WaitsBehind(17, 3));
  EXPECT_THAT(line(), testing::EndsWith(" 0/2  waiting: behind 3 jobs"));
  progress.Apply(WaitsBehind(17, 1));
  EXPECT_THAT(line(), testing::EndsWith(" 0/2  waiting: behind 1 job"));
  EXPECT_EQ(progress.sequence(), 5U) << "it has no number";
  const v1::Run started = Started();
  progress.Apply(Event(6, 17, v1::JOB_STATE_RUNNING, &started));
  EXPECT_EQ(progress.waiting_job(), std::nullopt) << "one of them runs";
  EXPECT_EQ(progress.waiting_reason().code(), v1::WaitReason::CODE_UNSPECIFIED);
  progress.Apply(WaitsBehind(17, 8));
  progress.Apply(Event(7, 17, v1::JOB_STATE_QUEUED));
  EXPECT_THAT(line(), testing::EndsWith(" 0/2  waiting")) << "said of it while it ran";
  progress.Apply(Event(8, 17, v1::JOB_STATE_CANCELLED));
  EXPECT_EQ(progress.waiting_job(), 18U);
  EXPECT_EQ(progress.waiting_reason().jobs_ahead(), 9U) << "from the snapshot";
  progress.Apply(WaitsBehind(99, 3));
  EXPECT_EQ(progress.waiting_reason().jobs_ahead(), 9U) << "of a job that was not asked for";
}

TEST(ProgressLine, AShuffledSweepIsNotBehindItself) {
  SweepProgress progress;
  std::vector<v1::Job> jobs = {SmallJob(17, v1::JOB_STATE_QUEUED),
                               SmallJob(18, v1::JOB_STATE_QUEUED),
                               SmallJob(19, v1::JOB_STATE_QUEUED)};
  for (v1::Job& job : jobs) {
    *job.mutable_wait() = WaitsBehind(job.job_id(), 1).waiting().reason();
  }
  jobs[1].mutable_wait()->set_code(v1::WaitReason::CODE_RUNNING);
  jobs[1].mutable_wait()->set_device("cpu0");
  jobs[1].mutable_wait()->set_run_id("9.1");
  progress.Apply(Snapshot(jobs, 5));
  EXPECT_EQ(progress.waiting_job(), 18U);
  EXPECT_THAT(ProgressLine(progress, 200, false),
              testing::EndsWith(" 0/3  waiting: next on cpu0, which runs 9.1"));
  progress.Apply(WaitsBehind(17, 6));
  progress.Apply(WaitsBehind(18, 5));
  progress.Apply(WaitsBehind(19, 4));
  EXPECT_EQ(progress.waiting_job(), 19U) << "four jobs are others'";
}

TEST(ProgressLine, AReasonOfTheSnapshotIsOldOnceSomethingHappenedWhereChangesAreNotTold) {
  for (const v1::JobState state : {v1::JOB_STATE_CANCELLED, v1::JOB_STATE_SUCCEEDED}) {
    SweepProgress progress;
    const auto line = [&] { return ProgressLine(progress, 200, false); };
    std::vector<v1::Job> jobs = {SmallJob(17, v1::JOB_STATE_QUEUED),
                                 SmallJob(18, v1::JOB_STATE_QUEUED)};
    for (v1::Job& job : jobs) {
      *job.mutable_wait() = WaitsBehind(job.job_id(), 9).waiting().reason();
    }
    progress.Apply(Snapshot(jobs, 5));
    EXPECT_THAT(line(), testing::EndsWith(" 0/2  waiting: behind 9 jobs"));
    progress.Apply(Event(5, 17, state));
    EXPECT_EQ(progress.waiting_reason().jobs_ahead(), 9U) << "known from the snapshot";
    progress.Apply(Event(6, 17, state));
    EXPECT_EQ(progress.waiting_job(), 18U);
    EXPECT_EQ(progress.waiting_reason().code(), v1::WaitReason::CODE_UNSPECIFIED);
    progress.Apply(WaitsBehind(18, 2));
    EXPECT_EQ(progress.waiting_reason().jobs_ahead(), 2U);
  }
}

TEST(Display, WritesALineACellWhereThereIsNoTerminal) {
  std::ostringstream err;
  Console console;
  console.err = &err;
  SweepProgress progress;
  ProgressDisplay display(console);
  display.Show(progress, progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5)));
  EXPECT_EQ(err.str(), "");
  const v1::Run run = SmallRun();
  display.Show(progress, progress.Apply(Event(6, 17, v1::JOB_STATE_SUCCEEDED, &run)));
  EXPECT_THAT(err.str(), HasSubstr("(1 of 1)\n"));
  EXPECT_THAT(err.str(), Not(HasSubstr("\x1b")));
}

TEST(Display, KeepsTheLinesOfFinishedCellsAboveTheBar) {
  std::ostringstream err;
  Console console;
  console.err = &err;
  console.live = true;
  SweepProgress progress;
  ProgressDisplay display(console);
  display.Show(progress,
               progress.Apply(Snapshot(
                   {SmallJob(17, v1::JOB_STATE_QUEUED), SmallJob(18, v1::JOB_STATE_QUEUED)}, 5)));
  err.str("");
  const v1::Run run = SmallRun();
  display.Show(progress, progress.Apply(Event(6, 17, v1::JOB_STATE_SUCCEEDED, &run)));
  EXPECT_THAT(err.str(), testing::StartsWith("\r\x1b[K17 small, forward-backward"));
  EXPECT_THAT(err.str(), HasSubstr("(1 of 2)\n\r\x1b[K[=====")) << "the bar stands below";
}

TEST(Display, OfAQuietCommandShowsNoTries) {
  std::ostringstream err;
  Console console;
  console.err = &err;
  Ladder ladder;
  ProgressDisplay display(console, /*quiet=*/true);
  display.Show(ladder.progress, {}, {{OutOfMemoryRun(), SmallRun()}});
  EXPECT_EQ(err.str(), "");
}

TEST(Display, RedrawsOneLineOnATerminalAndTakesItOff) {
  std::ostringstream err;
  Console console;
  console.err = &err;
  console.live = true;
  SweepProgress progress;
  ProgressDisplay display(console);
  display.Show(progress, progress.Apply(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5)));
  EXPECT_THAT(err.str(), testing::StartsWith("\r\x1b[K[  "));
  EXPECT_THAT(err.str(), Not(HasSubstr("\n")));
  display.Clear();
  EXPECT_THAT(err.str(), testing::EndsWith("\r\x1b[K"));
}

}  // namespace
}  // namespace torchlap::client
