// Rows that are gone from under the program: DATA_LOSS with their table and key, and the rest goes
// on.
#include "storage/missing_row.h"

#include "storage/launch.h"
#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::HasSubstr;

class MissingRowTest : public StoreTest {
 protected:
  static void ExpectLoss(const absl::Status& status, const std::string& what) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }
  // What an export of everything has.
  struct Exported {
    int rows = 0;
    uint64_t unreadable = 0;
  };
  Exported ExportAll(bool encoded, const JobFilter& selected = {}, bool with_unfinished = false) {
    Exported all;
    absl::Status status;
    if (encoded) {
      status = runs_->ExportEncoded(
          {}, selected, with_unfinished, RunParts::kAll,
          [&](const v1::ExportRunsResponse& encoded_rows) {
            v1::ExportRunsResponse part;
            EXPECT_TRUE(part.ParseFromString(encoded_rows.SerializeAsString()));
            all.rows += part.rows_size();
            all.unreadable += part.unreadable_rows();
            return absl::OkStatus();
          });
    } else {
      status = runs_->Export(
          {}, selected, with_unfinished,
          [&](const RunRows& rows) {
            all.rows += rows.size();
            return absl::OkStatus();
          },
          &all.unreadable);
    }
    EXPECT_TRUE(status.ok()) << status;
    return all;
  }
  // The rest is served, and how much is missing is told.
  void ExpectInLists(int runs, uint64_t unreadable) {
    const auto page = runs_->List({}, {}, true, 10, "");
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->runs.size(), runs);
    EXPECT_EQ(page->unreadable, unreadable);
    for (const bool encoded : {false, true}) {
      const Exported exported = ExportAll(encoded);
      EXPECT_EQ(exported.rows, runs);
      EXPECT_EQ(exported.unreadable, unreadable);
    }
  }
  void BeginAnew() {
    std::filesystem::remove(file_);
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(file_.string() + suffix);
    Reopen();
  }
};

struct Loss {
  const char* sql;
  const char* of_job;  // empty: the job alone can be read
  const char* of_run;
};

constexpr Loss kLosses[] = {
    {"DELETE FROM sweep", "table sweep has no row 1, which job 1 refers to",
     "table sweep has no row 1, which run 1.1 refers to"},
    {"DELETE FROM principal", "table principal has no row 1, which job 1 refers to",
     "table principal has no row 1, which run 1.1 refers to"},
    {"DELETE FROM workload", "table workload has no row 1, which job 1 refers to",
     "table workload has no row 1, which run 1.1 refers to"},
    {"DELETE FROM device", "", "table device has no row 1, which run 1.1 refers to"},
};

TEST_F(MissingRowTest, WhatCannotBeReadIsNamedByTableAndKey) {
  for (const Loss& loss : kLosses) {
    SCOPED_TRACE(loss.sql);
    RunToEnd(MakeJob());
    Break(loss.sql);
    Reopen();
    EXPECT_FALSE(database_->damage().empty());
    ExpectLoss(jobs_->Get(1).status(), loss.of_job[0] == '\0' ? loss.of_run : loss.of_job);
    ExpectLoss(runs_->Get("1.1").status(), loss.of_run);
    ExpectInLists(0, 1);
    EXPECT_TRUE(jobs_->Events(0, 100).ok()) << "others watch, too";
    BeginAnew();
  }
}

TEST_F(MissingRowTest, WhatIsNotThereAtAllIsNotFound) {
  EXPECT_EQ(jobs_->Get(7).status(), absl::NotFoundError("there is no job 7"));
  EXPECT_EQ(runs_->Get("7.1").status(), absl::NotFoundError("there is no run 7.1"));
}

TEST_F(MissingRowTest, ARunWhoseJobIsGoneIsDamage) {
  const uint64_t job = RunToEnd(MakeJob());
  Break("DELETE FROM job");
  EXPECT_EQ(jobs_->Get(job).status().code(), absl::StatusCode::kNotFound);
  ExpectLoss(runs_->Get("1.1").status(), "table job has no row 1, which run 1.1 refers to");
}

TEST_F(MissingRowTest, AMessageThatIsNoneIsDamage) {
  RunToEnd(MakeJob());
  Break("UPDATE job SET spec = x'ff'");
  ExpectLoss(jobs_->Get(1).status(), "job.spec is not a JobSpec");
  ExpectInLists(0, 1);
}

TEST_F(MissingRowTest, TheRestOfAListIsServed) {
  const char* losses[] = {"UPDATE run SET device_id = 99 WHERE id = 2",
                          "UPDATE run SET asked_workload_id = 99 WHERE id = 2",
                          "UPDATE run SET job_id = 99 WHERE id = 2",
                          "UPDATE job SET spec = x'ff' WHERE id = 2",
                          "UPDATE job SET sweep_id = 99 WHERE id = 2",
                          "INSERT INTO assessment VALUES (2, x'ff')"};
  for (const char* loss : losses) {
    SCOPED_TRACE(loss);
    for (int i = 0; i < 3; ++i) RunToEnd(MakeJob());
    ExpectInLists(3, 0);
    Break(loss);
    ExpectInLists(2, 1);
    BeginAnew();
  }
}

TEST_F(MissingRowTest, PagesGoOnBehindWhatCannotBeRead) {
  for (int i = 0; i < 5; ++i) RunToEnd(MakeJob());
  Break("UPDATE run SET device_id = 99 WHERE id IN (2, 3)");
  int rows = 0;
  uint64_t unreadable = 0;
  std::string token;
  do {
    const auto page = runs_->List({}, {}, true, 2, token);
    ASSERT_TRUE(page.ok()) << page.status();
    rows += page->runs.size();
    unreadable += page->unreadable;
    token = page->next_page_token;
  } while (!token.empty());
  EXPECT_EQ(rows, 3);
  EXPECT_EQ(unreadable, 2U);
}

TEST_F(MissingRowTest, JobsThatCannotBeReadTakeNobodysPlaceOnAPage) {
  const char* losses[] = {"UPDATE job SET spec = x'ff' WHERE id IN (2, 3)",
                          "UPDATE job SET owner_id = 99 WHERE id IN (2, 3)",
                          "UPDATE job SET sweep_id = 99 WHERE id IN (2, 3)",
                          "UPDATE job SET workload_id = 99 WHERE id IN (2, 3)"};
  for (const char* loss : losses) {
    SCOPED_TRACE(loss);
    for (int i = 0; i < 6; ++i) SubmitOne(MakeJob());
    Break(loss);
    for (const bool by_state : {false, true}) {
      JobFilter filter;
      filter.limit = 2;
      if (by_state) filter.states = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING};
      std::vector<uint64_t> unreadable;
      const auto jobs = jobs_->List(filter, &unreadable);
      ASSERT_TRUE(jobs.ok()) << jobs.status();
      ASSERT_EQ(jobs->size(), 2U) << "a short page would be the last";
      EXPECT_EQ(jobs->at(0).job_id(), 1U);
      EXPECT_EQ(jobs->at(1).job_id(), 4U);
      EXPECT_THAT(unreadable, testing::ElementsAre(2, 3));
      filter.after_job_id = 4;
      EXPECT_EQ(jobs_->ListAt(filter)->jobs.size(), 2U);
      EXPECT_TRUE(jobs_->ListAt(filter)->unreadable.empty());
    }
    EXPECT_EQ(jobs_->Get(2).status().code(), absl::StatusCode::kDataLoss);
    BeginAnew();
  }
}

TEST_F(MissingRowTest, AJobWithoutARunIsLeftOutOfAnExport) {
  const Submitted submitted = Submit({MakeJob(), MakeJob()});
  JobFilter sweep;
  sweep.sweep_ids = {submitted.sweep_id};
  Break("UPDATE job SET workload_id = 99 WHERE id = 1");
  for (const bool encoded : {false, true}) {
    const Exported exported = ExportAll(encoded, sweep, true);
    EXPECT_EQ(exported.rows, 1);
    EXPECT_EQ(exported.unreadable, 1U);
  }
}

TEST_F(MissingRowTest, ALaunchThatCanNeverStartIsSetAsideAndTheNextOneStarts) {
  const char* losses[] = {"DELETE FROM job WHERE id = 1", "UPDATE job SET state = 3 WHERE id = 1",
                          "DELETE FROM sweep WHERE id = 1",
                          "UPDATE job SET spec = x'ff' WHERE id = 1",
                          "UPDATE job SET cancel_requested = 1 WHERE id = 1"};
  for (const char* loss : losses) {
    SCOPED_TRACE(loss);
    SubmitOne(MakeJob("small", 3));
    const uint64_t second = SubmitOne(MakeJob());
    Break(loss);
    const absl::Status status = jobs_->Start(1, 0, cpu0_, ++now_ns_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("launch 0 of job 1 can never start and was set aside: "));
    EXPECT_EQ(SelectInt("SELECT count(*) FROM launch WHERE job_id = 1 AND state = 3"), 3);
    EXPECT_EQ(Heads().at(0).job_id, second);
    EXPECT_EQ(Start(second).run.run_id(), std::to_string(second) + ".1");
    EXPECT_EQ(SelectInt("SELECT count(*) FROM job WHERE id = 1 AND state < 3"), 0);
    BeginAnew();
  }
}

TEST_F(MissingRowTest, ALaunchWhoseEarlierRunCannotBeReadIsSetAside) {
  const uint64_t job = SubmitOne(MakeJob());
  Finish(Ended(Start(job), v1::OUTCOME_OUT_OF_MEMORY), TryAgain(2, 256));
  Break("UPDATE run SET device_id = 99");
  EXPECT_THAT(std::string(jobs_->Start(job, 0, cpu0_, ++now_ns_).status().message()),
              HasSubstr("table device has no row 99, which run 1.1 refers to"));
  EXPECT_EQ(SelectInt("SELECT state FROM job"), v1::JOB_STATE_FAILED);
}

TEST_F(MissingRowTest, ARunWhoseJobIsGoneCannotBeFinished) {
  const FinishedRun finished = Ended(Start(SubmitOne(MakeJob())));
  Break("DELETE FROM job");
  ExpectLoss(jobs_->FinishRun(finished, LaunchDone(), ++now_ns_).status(),
             "table job has no row 1, which run 1.1 refers to");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE outcome IS NULL"), 1)
      << "nothing was changed";
}

TEST_F(MissingRowTest, TheQueueIsReadWithLaunchesOfJobsThatNeverWere) {
  const uint64_t job = SubmitOne(MakeJob());
  Break("UPDATE launch SET job_id = 5000000");
  Break("INSERT INTO launch SELECT NULL, -7, 0, 1, 1, 0, 'any', 1, 1, 1, 1, NULL FROM launch");
  const auto queued = jobs_->Queue();
  ASSERT_TRUE(queued.ok()) << queued.status();
  EXPECT_TRUE(queued->entries.empty());
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(MissingRowTest, AStartSettlesWhatDamageLeft) {
  const Submitted first = Submit({MakeJob(), MakeJob(), MakeJob(), MakeJob(), MakeJob()});
  Start(first.job_ids[1]);
  Start(first.job_ids[4]);
  Break("DELETE FROM job WHERE id IN (1, 2)");
  Break("DELETE FROM launch WHERE job_id = 3");
  Break("UPDATE job SET state = 4 WHERE id = 4");
  Break("DELETE FROM run WHERE job_id = 5");
  const auto lines = jobs_->SetAsideOrphans(++now_ns_);
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(*lines, testing::UnorderedElementsAre(
                          "launch 0 of job 1 was set aside: its job is missing",
                          "launch 0 of job 2 was set aside: its job is missing",
                          "launch 0 of job 4 was set aside: its job is finished",
                          "run 2.1 is INTERRUPTED: its job is missing",
                          "launch 0 of job 5 was queued again: it has no run",
                          "job 3 was not finished and has no launch left: it is FAILED"));
  EXPECT_EQ(jobs_->RecoverInterrupted(++now_ns_).value(), 0u);
  EXPECT_EQ(Heads().size(), 1u);
  EXPECT_EQ(Get(3).reason(), "job 3 was not finished and has no launch left");
  EXPECT_TRUE(jobs_->SetAsideOrphans(++now_ns_).value().empty()) << "once";
}

TEST_F(MissingRowTest, ASoundDatabaseIsLeftAlone) {
  RunToEnd(MakeJob());
  const Submitted submitted = Submit({MakeJob("small", 3), MakeJob()});
  Start(submitted.job_ids[0]);
  EXPECT_TRUE(jobs_->SetAsideOrphans(++now_ns_).value().empty());
  EXPECT_EQ(jobs_->RecoverInterrupted(++now_ns_).value(), 1u);
}

TEST_F(MissingRowTest, ALaunchOfAGoneDeviceWhoseJobCannotBeReadIsSetAside) {
  NewJob job = MakeJob();
  job.device_key = "uuid:CPU-9";
  SubmitOne(job);
  Break("DELETE FROM workload");
  const auto rehomed = jobs_->Rehome({{cpu0_}, {"uuid:CPU-0", "class:cpu", "any"}}, ++now_ns_);
  ASSERT_TRUE(rehomed.ok()) << rehomed.status();
  EXPECT_EQ(rehomed->failed_jobs, 1u);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM launch WHERE state < 3"), 0);
}

}  // namespace
}  // namespace torchlap::storage
