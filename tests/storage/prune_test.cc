#include "storage/prune.h"

#include <SQLiteCpp/Database.h>

#include <string>
#include <vector>

#include "storage/database_check.h"
#include "storage/run_words.h"
#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::IsEmpty;

class Prune : public StoreTest {
 protected:
  // Few, so that few runs are many transactions.
  static constexpr uint32_t kRunsAtOnce = 5;

  static v1::RunFilter Named(const std::vector<std::string>& run_ids) {
    v1::RunFilter filter;
    for (const std::string& run_id : run_ids) filter.mutable_selector()->add_run_ids(run_id);
    return filter;
  }
  static v1::RunFilter Everything() {
    v1::RunFilter filter;
    filter.mutable_selector()->set_all(true);
    return filter;
  }
  PrunedRuns Delete(const v1::RunFilter& filter, Pruning pruning = Pruning::kDelete,
                    const JobFilter& selected = {}) {
    const auto pruned = PruneWholeRuns(database_.get(), filter, selected, pruning, kRunsAtOnce);
    EXPECT_TRUE(pruned.ok()) << pruned.status();
    return pruned.value_or(PrunedRuns());
  }
  uint64_t DeleteSamples(int64_t before_ns, Pruning pruning = Pruning::kDelete) {
    const auto samples = PruneSamples(database_.get(), before_ns, pruning, kRunsAtOnce);
    EXPECT_TRUE(samples.ok()) << samples.status();
    return samples.value_or(0);
  }
  // A run of a launch of the job, with this mean.
  void Run(uint64_t job_id, uint32_t launch, double mean_ns, const AfterRun& after) {
    FinishedRun finished = Ended(Start(job_id, launch));
    finished.run.mutable_step()->set_mean_ns(mean_ns);
    Finish(finished, after);
  }
  void Write(const std::string& sql) {
    ASSERT_TRUE(database_
                    ->Write([&](SQLite::Database& database) {
                      database.exec(sql);
                      return absl::OkStatus();
                    })
                    .ok())
        << sql;
  }
  // Nothing dangles, and counts and sums are those that the runs give.
  void ExpectSound() {
    const auto findings = CheckFile(file_);
    ASSERT_TRUE(findings.ok()) << findings.status();
    EXPECT_THAT(findings->unreadable, IsEmpty());
    EXPECT_THAT(findings->inconsistent, IsEmpty());
    EXPECT_EQ(SelectInt("SELECT ifnull(sum(runs), 0) FROM run_rollup"),
              SelectInt("SELECT count(*) FROM run WHERE outcome IS NOT NULL"));
    EXPECT_EQ(SelectInt("SELECT ifnull(sum(runs), 0) FROM run_kind"),
              SelectInt("SELECT count(*) FROM run WHERE outcome IS NOT NULL"));
    EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE outcome IS NOT NULL AND kind_id NOT IN "
                        "(SELECT id FROM run_kind)"),
              0);
    EXPECT_EQ(SelectInt("SELECT count(*) FROM sqlite_schema WHERE name = 'job_event_by_job'"), 0);
  }
  int64_t StartOf(uint64_t job_id) {
    return SelectInt("SELECT started_at_ns FROM run WHERE job_id = " + std::to_string(job_id));
  }
};

TEST_F(Prune, SamplesOfOlderRunsGoAndTheRunsStay) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  const uint64_t third = RunToEnd(MakeJob());
  EXPECT_EQ(DeleteSamples(StartOf(third), Pruning::kCount), 2U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sample"), 3) << "it was only counted";
  EXPECT_EQ(DeleteSamples(StartOf(third)), 2U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sample"), 1);
  EXPECT_EQ(SelectInt("SELECT run_id FROM sample"), 3);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE step_mean_ns IS NOT NULL"), 3);
  EXPECT_EQ(DeleteSamples(StartOf(third)), 0U);
  ExpectSound();
}

TEST_F(Prune, SamplesOfMoreRunsThanATransactionHasAllGo) {
  const uint32_t launches = 2 * kRunsAtOnce + 1;
  const uint64_t job = SubmitOne(MakeJob("small", launches));
  for (uint32_t launch = 0; launch < launches; ++launch) {
    Finish(Ended(Start(job, launch)), LaunchDone());
  }
  EXPECT_EQ(DeleteSamples(now_ns_ + 1, Pruning::kCount), launches);
  EXPECT_EQ(DeleteSamples(now_ns_ + 1), launches);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sample"), 0);
}

TEST_F(Prune, SamplesOfARunThatIsNotFinishedAreNotLookedAt) {
  RunToEnd(MakeJob());
  Start(SubmitOne(MakeJob()));
  EXPECT_EQ(DeleteSamples(now_ns_ + 1), 1U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 2);
}

TEST_F(Prune, ARunGoesWithAllThatIsStoredOfItItsJobAndItsSweep) {
  NewJob labelled = MakeJob();
  (*labelled.spec.mutable_labels())["k"] = "v";
  const Submitted sweep = Submit({labelled, MakeJob()});
  for (const uint64_t job : sweep.job_ids) {
    FinishedRun finished = Ended(Start(job));
    finished.readings.set_load_average(1);
    finished.run.mutable_assessment()->add_evidence();
    Finish(finished, LaunchDone());
  }
  EXPECT_EQ(Delete(Named({"1.1"}), Pruning::kCount).runs, 1U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 2);
  EXPECT_EQ(Delete(Named({"1.1"})).runs, 1U);
  for (const char* table : {"run", "sample", "reading", "assessment", "job", "sweep"}) {
    EXPECT_EQ(SelectInt(std::string("SELECT count(*) FROM ") + table), 1) << table;
  }
  EXPECT_EQ(SelectInt("SELECT count(*) FROM label"), 0);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job_event WHERE job_id = 1"), 0);
  EXPECT_GT(SelectInt("SELECT count(*) FROM job_event WHERE job_id = 2"), 0);
  ExpectSound();
  EXPECT_EQ(Delete(Named({"2.1"})).runs, 1U);
  for (const char* table :
       {"run", "sample", "job", "sweep", "job_event", "run_kind", "run_rollup"}) {
    EXPECT_EQ(SelectInt(std::string("SELECT count(*) FROM ") + table), 0) << table;
  }
  ExpectSound();
  EXPECT_EQ(RunToEnd(MakeJob()), 3U) << "numbers are not given again";
  EXPECT_GT(*jobs_->LastSequence(), 6U);
}

TEST_F(Prune, AJobStaysAsLongAsItHasARun) {
  const uint64_t job = SubmitOne(MakeJob("small", 2));
  Run(job, 0, 10, LaunchDone());
  Run(job, 1, 20, LaunchDone());
  EXPECT_EQ(Delete(Named({"1.1"})).runs, 1U);
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Get(job).runs_size(), 1);
  ExpectSound();
}

// Of a launch that was tried twice only the last OK run counts; without that the first does again.
TEST_F(Prune, SumsAreOfTheRunsThatAreLeft) {
  const uint64_t job = SubmitOne(MakeJob("small", 2));
  Run(job, 0, 100, TryAgain(4, 256));
  Run(job, 0, 10, LaunchDone());
  Run(job, 1, 30, LaunchDone());
  RunToEnd(MakeJob("medium"));
  const std::string sum = "SELECT sum(step_mean_ns_sum) FROM run_rollup";
  EXPECT_EQ(SelectInt(sum), 31'000'040);
  EXPECT_EQ(Delete(Named({"1.2"})).runs, 1U);
  EXPECT_EQ(SelectInt(sum), 31'000'130);
  EXPECT_EQ(SelectInt("SELECT sum(step_runs) FROM run_rollup"), 3);
  ExpectSound();
  EXPECT_EQ(Delete(Named({"1.1", "2.1"})).runs, 2U);
  EXPECT_EQ(SelectInt(sum), 30);
  ExpectSound();
}

TEST_F(Prune, WhatIsLeftOfALaunchIsInTheSumsUnlessItIsInvalid) {
  const uint64_t job = SubmitOne(MakeJob());
  Run(job, 0, 7000, TryAgain(4, 256));
  Run(job, 0, 100, TryAgain(4, 256));
  Run(job, 0, 10, LaunchDone());
  ASSERT_TRUE(RunWords(database_.get()).Invalidate(Named({"1.2"}), {}, "fan", ann_).ok());
  const std::string sum = "SELECT sum(step_mean_ns_sum) FROM run_rollup";
  EXPECT_EQ(SelectInt(sum), 10);
  EXPECT_EQ(Delete(Named({"1.3"})).runs, 1U);
  EXPECT_EQ(SelectInt(sum), 7000);
  EXPECT_EQ(Delete(Named({"1.1"})).runs, 1U);
  EXPECT_EQ(SelectInt(sum), 0);
  ExpectSound();
}

TEST_F(Prune, RunsOfAJobThatIsNotFinishedStay) {
  const uint64_t job = SubmitOne(MakeJob("small", 2));
  Run(job, 0, 10, LaunchDone());
  RunToEnd(MakeJob());
  const PrunedRuns pruned = Delete(Everything());
  EXPECT_EQ(pruned.runs, 1U);
  EXPECT_EQ(pruned.of_unfinished_jobs, 1U);
  EXPECT_EQ(pruned.kept(), 1U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE job_id = 1"), 1);
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
  Run(job, 1, 10, LaunchDone());
  EXPECT_EQ(Delete(Everything()).runs, 2U);
  ExpectSound();
}

TEST_F(Prune, ACalibrationThatRunsWereHeldAgainstStays) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  Write("UPDATE run SET calibration_run_id = '1.1' WHERE id = 2");
  const PrunedRuns pruned = Delete(Named({"1.1"}));
  EXPECT_EQ(pruned.runs, 0U);
  EXPECT_EQ(pruned.calibrations, 1U);
  EXPECT_EQ(Delete(Named({"2.1"})).runs, 1U);
  EXPECT_EQ(Delete(Named({"1.1"})).runs, 1U) << "nobody needs it any more";
  ExpectSound();
}

TEST_F(Prune, ARunOfABaselineStays) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  Write(
      "CREATE TABLE IF NOT EXISTS baseline (owner_id INTEGER NOT NULL, series_id INTEGER NOT "
      "NULL, run_id INTEGER NOT NULL, set_at_ns INTEGER NOT NULL, reason TEXT NOT NULL) STRICT");
  Write(
      "INSERT INTO baseline (owner_id, series_id, run_id, set_at_ns, reason) "
      "SELECT owner_id, series, id, 1, 'ours' FROM run WHERE id = 1");
  const PrunedRuns pruned = Delete(Everything());
  EXPECT_EQ(pruned.runs, 1U);
  EXPECT_EQ(pruned.in_baselines, 1U);
  EXPECT_EQ(SelectInt("SELECT id FROM run"), 1);
}

TEST_F(Prune, NothingThatIsNamedIsNothingThatIsDeleted) {
  RunToEnd(MakeJob());
  v1::RunFilter filter;
  EXPECT_TRUE(absl::IsInvalidArgument(
      PruneWholeRuns(database_.get(), filter, {}, Pruning::kDelete).status()));
  filter.set_until_ns(now_ns_ + 1);
  filter.add_model_sizes("small");
  EXPECT_TRUE(absl::IsInvalidArgument(
      PruneWholeRuns(database_.get(), filter, {}, Pruning::kDelete).status()));
  EXPECT_EQ(Delete(Named({"9.9"})).runs, 0U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
}

TEST_F(Prune, ByJobByLabelAndInManyTransactions) {
  NewJob labelled = MakeJob();
  (*labelled.spec.mutable_labels())["k"] = "v";
  RunToEnd(labelled);
  v1::RunFilter by_label;
  (*by_label.mutable_labels())["k"] = "v";
  EXPECT_EQ(Delete(by_label).runs, 1U);
  std::vector<NewJob> many(2 * kRunsAtOnce + 3, MakeJob());
  for (const uint64_t job : Submit(many).job_ids) Finish(Ended(Start(job)), LaunchDone());
  JobFilter selected;
  selected.job_ids = {2, 3};
  v1::RunFilter by_job;
  by_job.mutable_selector()->add_job_ids(2);
  by_job.mutable_selector()->add_job_ids(3);
  EXPECT_EQ(Delete(by_job, Pruning::kDelete, selected).runs, 2U);
  EXPECT_EQ(Delete(Everything(), Pruning::kCount).runs, 2 * kRunsAtOnce + 1);
  EXPECT_EQ(Delete(Everything()).runs, 2 * kRunsAtOnce + 1);
  ExpectSound();
}

TEST_F(Prune, TheFileShrinksAfterwards) {
  for (int i = 0; i < 20; ++i) {
    FinishedRun finished = Ended(Start(SubmitOne(MakeJob())));
    for (int k = 0; k < 20'000; ++k) finished.samples.add_step_ns(31'000'000 + k);
    Finish(finished, LaunchDone());
  }
  EXPECT_EQ(SelectInt("PRAGMA auto_vacuum"), 2);
  ASSERT_TRUE(database_->Shrink().ok()) << "nothing to give back";
  const uint64_t before = database_->size_bytes();
  DeleteSamples(now_ns_ + 1);
  const absl::Status shrunk = database_->Shrink();
  ASSERT_TRUE(shrunk.ok()) << shrunk;
  EXPECT_LT(database_->size_bytes(), before / 2);
  EXPECT_EQ(SelectInt("PRAGMA freelist_count"), 0);
  ExpectSound();
}

// A file of an older program has no map of its pages: it is written anew once.
TEST_F(Prune, AnOlderFileShrinksTooAndIsOfTheNewKindThen) {
  RunToEnd(MakeJob());
  Close();
  {
    SQLite::Database raw(file_.string(), SQLite::OPEN_READWRITE, 10'000);
    raw.exec("PRAGMA auto_vacuum = NONE");
    raw.exec("VACUUM");
  }
  Reopen();
  EXPECT_EQ(SelectInt("PRAGMA auto_vacuum"), 0);
  RunToEnd(MakeJob());
  const absl::Status shrunk = database_->Shrink();
  ASSERT_TRUE(shrunk.ok()) << shrunk;
  Reopen();
  EXPECT_EQ(SelectInt("PRAGMA auto_vacuum"), 2);
  EXPECT_EQ(SelectText("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 2);
  ExpectSound();
}

}  // namespace
}  // namespace torchlap::storage
