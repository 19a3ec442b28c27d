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
  // As a damaged disk does it: without a look at what refers to the row.
  void Break(const std::string& sql) {
    SQLite::Database raw(file_.string(), SQLite::OPEN_READWRITE, 10'000);
    raw.exec("PRAGMA foreign_keys = OFF");
    raw.exec(sql);
  }
  static void ExpectLoss(const absl::Status& status, const std::string& what) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }
  absl::Status ExportAll(bool encoded) {
    if (encoded) {
      return runs_->ExportEncoded({}, {}, false,
                                  [](const v1::ExportRunsResponse&) { return absl::OkStatus(); });
    }
    return runs_->Export({}, {}, false, [](const RunRows&) { return absl::OkStatus(); });
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
    ExpectLoss(runs_->List({}, {}, true, 10, "").status(), loss.of_run);
    ExpectLoss(ExportAll(false), loss.of_run);
    ExpectLoss(ExportAll(true), loss.of_run);
    EXPECT_TRUE(jobs_->Events(0, 100).ok()) << "others watch, too";
    std::filesystem::remove(file_);
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(file_.string() + suffix);
    Reopen();
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
  ExpectLoss(ExportAll(true), "job.spec is not a torchlap.v1.JobSpec");
}

TEST_F(MissingRowTest, AJobWithoutARunIsExportedOnlyWhole) {
  const Submitted submitted = Submit({MakeJob()});
  JobFilter sweep;
  sweep.sweep_ids = {submitted.sweep_id};
  Break("DELETE FROM workload");
  ExpectLoss(runs_->Export({}, sweep, true, [](const RunRows&) { return absl::OkStatus(); }),
             "table workload has no row 1, which job 1 refers to");
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
    std::filesystem::remove(file_);
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(file_.string() + suffix);
    Reopen();
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
