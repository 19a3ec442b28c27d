// What a job tells of the run that goes on.
#include "storage/job_row.h"

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

class JobRowTest : public StoreTest {
 protected:
  // Launch, tries, and the start of the run that goes on: as the queue and `show` have it.
  void ExpectPresent(uint64_t job_id, uint32_t launch, uint32_t tries, int64_t started_at_ns) {
    JobFilter filter;
    filter.states = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING};
    const auto listed = jobs_->List(filter);
    ASSERT_TRUE(listed.ok()) << listed.status();
    ASSERT_EQ(listed->size(), 1u);
    for (const v1::Job& job : {listed->front(), Get(job_id)}) {
      EXPECT_EQ(job.launch(), launch);
      EXPECT_EQ(job.tries(), tries);
      EXPECT_EQ(job.run_started_at_ns(), started_at_ns);
    }
  }
};

TEST_F(JobRowTest, OnlyAJobThatRunsHasAPresentRun) {
  const uint64_t job = SubmitOne(MakeJob());
  ExpectPresent(job, 0, 0, 0);
  const StartedRun started = Start(job);
  ExpectPresent(job, 0, 1, started.run.started_at_ns());
  Finish(Ended(started), LaunchDone());
  EXPECT_EQ(Get(job).run_started_at_ns(), 0);
  EXPECT_EQ(Get(job).tries(), 0u);
  EXPECT_EQ(Get(job).started_at_ns(), started.run.started_at_ns()) << "of the first run, for ever";
}

TEST_F(JobRowTest, EveryTryHasAStartOfItsOwn) {
  const uint64_t job = SubmitOne(MakeJob());
  const int64_t first_ns = Start(job).run.started_at_ns();
  StartedRun started;
  started.run = Get(job).runs(0);
  Finish(Ended(started, v1::OUTCOME_INTERRUPTED), Interrupted());
  ExpectPresent(job, 0, 0, 0);
  for (const uint32_t tries : {2u, 3u}) {
    started = Start(job);
    EXPECT_GT(started.run.started_at_ns(), first_ns);
    ExpectPresent(job, 0, tries, started.run.started_at_ns());
    EXPECT_EQ(Get(job).started_at_ns(), first_ns);
    Finish(Ended(started, v1::OUTCOME_OUT_OF_MEMORY), TryAgain(2, 128));
  }
}

TEST_F(JobRowTest, TheTriesOfOtherLaunchesDoNotCount) {
  const uint64_t job = SubmitOne(MakeJob("small", 3));
  Finish(Ended(Start(job, 0), v1::OUTCOME_OUT_OF_MEMORY), TryAgain(2, 256));
  Finish(Ended(Start(job, 0)), LaunchDone());
  const StartedRun second = Start(job, 1);
  ExpectPresent(job, 1, 1, second.run.started_at_ns());
  Finish(Ended(second, v1::OUTCOME_INTERRUPTED), Interrupted());
  const StartedRun again = Start(job, 1);
  ExpectPresent(job, 1, 2, again.run.started_at_ns());
  Finish(Ended(again), LaunchDone());
  const StartedRun third = Start(job, 2);
  ExpectPresent(job, 2, 1, third.run.started_at_ns());
}

}  // namespace
}  // namespace torchlap::storage
