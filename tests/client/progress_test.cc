#include "client/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

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
      "[==========          ] 1/2  step 4/15, 152.3 ms, about 2 s left  small, forward-backward, "
      "batch 4, context 256");
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

TEST(FinishedLine, HasTheNumberOrTheReason) {
  v1::Job job = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(FinishedLine({job, SmallRun()}, 1, 2),
            "17 small, forward-backward, batch 4, context 256: 458 ± 16 ms a step (1 of 2)");
  EXPECT_EQ(FinishedLine({job, ShrunkRun()}, 1, 2),
            "17 small, forward-backward, batch 4, context 256: 4810 ± 160 ms a step, batch 4 -> 2 "
            "(OOM) (1 of 2)");
  job.mutable_spec()->set_purpose(v1::PURPOSE_WARMUP);
  job.mutable_spec()->mutable_plan()->set_warmup_steps(2);
  EXPECT_THAT(FinishedLine({job, SmallRun()}, 1, 2), HasSubstr("context 256, 2 warm-up: 458 ± 16"));
  job.mutable_spec()->set_purpose(v1::PURPOSE_MEASURE);
  job.set_state(v1::JOB_STATE_FAILED);
  EXPECT_THAT(FinishedLine({job, OutOfMemoryRun()}, 2, 2),
              HasSubstr("OUT_OF_MEMORY in backward: asked 2.31 GiB, free 410 MiB"));
  job.set_state(v1::JOB_STATE_CANCELLED);
  job.set_reason("cancelled by ann");
  EXPECT_THAT(FinishedLine({job, {}}, 2, 2), HasSubstr(": CANCELLED: cancelled by ann (2 of 2)"));
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
