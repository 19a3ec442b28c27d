#include "storage/database_check.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "storage/database_repair.h"
#include "storage/row_damage.h"
#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DatabaseCheckTest : public StoreTest {
 protected:
  DatabaseFindings Check() {
    const auto findings = CheckFile(file_);
    EXPECT_TRUE(findings.ok()) << findings.status();
    return findings.ok() ? *findings : DatabaseFindings();
  }
  void Overwrite(int64_t offset, size_t length) {
    std::fstream out(file_, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(offset);
    out << std::string(length, '\xff');
  }
  absl::Status Opened() { return Database::Open(file_).status(); }
  std::string Refusal(absl::StatusCode code) {
    const absl::Status status = Opened();
    EXPECT_EQ(status.code(), code) << status;
    return std::string(status.message());
  }
};

TEST_F(DatabaseCheckTest, NothingIsWrongWithASoundDatabase) {
  RunToEnd(MakeJob());
  Start(SubmitOne(MakeJob("small", 3)));
  SubmitOne(MakeJob());
  EXPECT_TRUE(Check().empty()) << "beside a daemon";
  EXPECT_THAT(database_->damage(), IsEmpty());
  Close();
  EXPECT_TRUE(Check().empty());
  EXPECT_TRUE(Check().is_complete);
}

TEST_F(DatabaseCheckTest, MissingRowsAreNamedAndTheRestIsServed) {
  RunToEnd(MakeJob());
  const uint64_t other = SubmitOne(MakeJob());
  Close();
  Break("DELETE FROM device");
  EXPECT_THAT(Check().inconsistent,
              Contains("table device has no row 1, which row 1 of table run refers to"));
  EXPECT_THAT(Check().unreadable, IsEmpty());
  Reopen();
  EXPECT_THAT(database_->damage(), Contains(HasSubstr("table device has no row 1")));
  EXPECT_EQ(Get(other).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(DatabaseCheckTest, LaunchesAndJobsThatNobodyWouldEndAreNamed) {
  Submit({MakeJob(), MakeJob(), MakeJob()});
  Close();
  Break("UPDATE job SET state = 3 WHERE id = 1");
  Break("DELETE FROM launch WHERE job_id = 2");
  Break("UPDATE launch SET state = 3 WHERE job_id = 3");
  EXPECT_THAT(Check().inconsistent, ElementsAre("launch 0 of job 1: its job is finished",
                                                "launch 0 of job 3 was set aside",
                                                "job 2 is not finished and has no launch",
                                                "job 3 is not finished and has no launch"));
}

TEST_F(DatabaseCheckTest, NoMoreThanAHundredLinesAreSaid) {
  Submit(std::vector<NewJob>(150, MakeJob()));
  Close();
  Break("DELETE FROM launch");
  EXPECT_EQ(Check().inconsistent.size(), 100U);
}

TEST_F(DatabaseCheckTest, WithoutTimeNothingIsSaid) {
  Submit({MakeJob()});
  Break("DELETE FROM launch");
  ASSERT_TRUE(database_
                  ->Read([](SQLite::Database& database) {
                    const auto findings =
                        CheckDatabase(database, SystemClock(), SystemClock().MonotonicNs());
                    EXPECT_FALSE(findings.is_complete);
                    EXPECT_TRUE(findings.empty());
                    EXPECT_FALSE(CheckDatabase(database, SystemClock(), Clock::kNever).empty());
                    return absl::OkStatus();
                  })
                  .ok());
}

// Enough jobs and runs for some pages of each table.
class DamagedPageTest : public DatabaseCheckTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    NewJob job = MakeJob();
    (*job.spec.mutable_labels())["note"] = std::string(200, 'x');
    const Submitted submitted = Submit(std::vector<NewJob>(kJobs, job));
    for (const uint64_t id : submitted.job_ids) {
      FinishedRun ended = Ended(Start(id));
      for (int step = 0; step < 100; ++step) ended.samples.add_step_ns(31'000'000 + step);
      Finish(ended, LaunchDone());
    }
    waiting_ = SubmitOne(MakeJob("small", 3));
  }
  enum class Which { kRoot, kSecond, kLast };

  // A page of the table becomes rubbish.
  void DamageAndClose(const std::string& table, Which which = Which::kSecond) {
    const int64_t size = SelectInt("PRAGMA page_size");
    const std::string name = "'" + table + "'";
    const int64_t root =
        SelectInt("SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = " + name);
    Close();
    // A cell of an inner page begins with the number of a child; the last one's is in its head.
    std::string bytes = Contents(file_);
    const auto at = [&](int64_t place) {
      return static_cast<int64_t>(static_cast<unsigned char>(bytes.at(place)));
    };
    const int64_t page = (root - 1) * size;
    ASSERT_EQ(at(page), 5) << "the table has one page only";
    const int64_t second = page + at(page + 14) * 256 + at(page + 15);
    const int64_t place = which == Which::kLast ? page + 8 : second;
    int64_t child = 0;
    for (int i = 0; i < 4; ++i) child = child * 256 + at(place + i);
    if (which == Which::kRoot) child = root;
    Overwrite((child - 1) * size, static_cast<size_t>(size));
  }
  std::vector<std::string> Repaired() {
    const auto repaired = RepairFile(file_);
    EXPECT_TRUE(repaired.ok()) << repaired.status();
    EXPECT_TRUE(Check().empty());
    return repaired.ok() ? repaired->lines : std::vector<std::string>();
  }
  // As if nothing had happened yet.
  void BeginAnew() {
    Close();
    for (const auto& entry : fs::directory_iterator(folder_.path())) fs::remove(entry.path());
    SetUp();
  }

  static constexpr int kJobs = 120;
  uint64_t waiting_ = 0;
};

TEST_F(DamagedPageTest, IsFoundAtOpeningAndNothingIsTouched) {
  DamageAndClose("job");
  const std::string before = Contents(file_);
  EXPECT_THAT(Refusal(absl::StatusCode::kDataLoss), HasSubstr("torchlapd --repair"));
  EXPECT_TRUE(Contents(file_) == before);
  EXPECT_THAT(Check().unreadable, testing::Not(IsEmpty()));
}

// Every launch meets it: none of them is to blame.
TEST_F(DamagedPageTest, UnderTheOpenDatabaseItLeavesTheQueueAlone) {
  for (const char* table : {"run", "device"}) {
    SCOPED_TRACE(table);
    Close();
    const std::string intact = Contents(file_);
    Reopen();
    const int64_t size = SelectInt("PRAGMA page_size");
    const int64_t root =
        SelectInt("SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = '" +
                  std::string(table) + "'");
    Overwrite((root - 1) * size, static_cast<size_t>(size));
    const absl::Status status = jobs_->Start(waiting_, 0, cpu0_, now_ns_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_FALSE(IsRowDamaged(status));
    const std::string of_job = " FROM job WHERE id = " + std::to_string(waiting_);
    EXPECT_EQ(SelectInt("SELECT state" + of_job), v1::JOB_STATE_QUEUED);
    EXPECT_EQ(SelectInt("SELECT count(*) FROM launch WHERE state = 1"), 3);
    Close();
    std::ofstream(file_, std::ios::binary) << intact;
    Reopen();
  }
  EXPECT_TRUE(jobs_->Start(waiting_, 0, cpu0_, now_ns_).ok()) << "mended";
}

TEST_F(DamagedPageTest, WhatCanBeReadIsKeptAndWhatItWasStandsBeside) {
  for (const char* table : {"job", "run"}) {
    SCOPED_TRACE(table);
    DamageAndClose(table);
    const std::string before = Contents(file_);
    const auto repaired = RepairFile(file_);
    ASSERT_TRUE(repaired.ok()) << repaired.status();
    EXPECT_TRUE(Contents(repaired->copy) == before) << "the copy";
    EXPECT_THAT(repaired->lines, Contains(HasSubstr("could not be read")));
    EXPECT_TRUE(Check().empty());
    Reopen();
    EXPECT_EQ(Integrity(), "ok");
    const int64_t runs = SelectInt("SELECT count(*) FROM run");
    EXPECT_GT(runs, 0);
    EXPECT_LT(runs, kJobs);
    EXPECT_EQ(SelectInt("SELECT sum(runs) FROM run_rollup"), runs);
    EXPECT_EQ(SelectInt("SELECT sum(runs) FROM run_kind"), runs);
    EXPECT_EQ(Get(waiting_).state(), v1::JOB_STATE_QUEUED);
    EXPECT_GT(SubmitOne(MakeJob()), waiting_) << "no number is given twice";
    EXPECT_EQ(Start(waiting_).run.job_id(), waiting_);
    BeginAnew();
  }
}

// Where the last page is gone nothing but other tables tells where the rows end.
TEST_F(DamagedPageTest, WhatIsLostBehindTheLastReadablePageIsCounted) {
  for (const char* table : {"run", "sample"}) {
    SCOPED_TRACE(table);
    DamageAndClose(table, Which::kLast);
    EXPECT_THAT(Repaired(), Contains(testing::AllOf(
                                HasSubstr("table " + std::string(table) + ": of the rows "),
                                HasSubstr(" to 120 up to "), HasSubstr("could not be read"))));
    Reopen();
    const int64_t rows = SelectInt("SELECT count(*) FROM " + std::string(table));
    EXPECT_GT(rows, 0);
    EXPECT_LT(rows, kJobs);
    BeginAnew();
  }
}

// What it says cannot be, and to try it would take a year.
TEST_F(DamagedPageTest, ALargestNumberThatIsDamagedItselfDoesNotKeepTheRepairFromItsEnd) {
  for (const char* largest : {"1000", "1000000000000"}) {
    SCOPED_TRACE(largest);
    Break("UPDATE sqlite_sequence SET seq = " + std::string(largest) + " WHERE name = 'job'");
    DamageAndClose("job", Which::kLast);
    EXPECT_THAT(Repaired(), Contains(HasSubstr("table job: of the rows ")));
    Reopen();
    const int64_t rows = SelectInt("SELECT count(*) FROM job");
    EXPECT_GT(rows, 0);
    EXPECT_LT(rows, kJobs);
    EXPECT_LT(SubmitOne(MakeJob()), 1'000'000U) << "nor is it the next job's";
    EXPECT_TRUE(jobs_->Queue().ok());
    BeginAnew();
  }
}

TEST_F(DamagedPageTest, ATableWhoseRootIsGoneIsLostAndTheOthersAreKept) {
  DamageAndClose("sample", Which::kRoot);
  EXPECT_THAT(Repaired(),
              Contains("table sample: of the rows 1 to 120 up to 120 could not be read"));
  Reopen();
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sample"), 0);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), kJobs);
  EXPECT_EQ(runs_->List({}, {}, true, 1000, "")->runs.size(), kJobs);
}

TEST_F(DamagedPageTest, NoRowBesideADamagedPageIsLost) {
  DamageAndClose("run");
  const std::vector<std::string> lines = Repaired();
  const auto line = std::find_if(lines.begin(), lines.end(), [](const std::string& text) {
    return text.starts_with("table run: of the rows ");
  });
  ASSERT_NE(line, lines.end());
  int first = 0;
  int last = 0;
  int lost = 0;
  ASSERT_EQ(
      std::sscanf(line->c_str(), "table run: of the rows %d to %d up to %d", &first, &last, &lost),
      3);
  EXPECT_EQ(last - first + 1, lost) << "one page's";
  Reopen();
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), kJobs - lost);
}

TEST_F(DatabaseCheckTest, RepairLeavesOutWhatRefersToNothing) {
  RunToEnd(MakeJob());
  const uint64_t kept = RunToEnd(MakeJob("medium", 2, 128));
  const uint64_t alone = SubmitOne(MakeJob());
  Close();
  Break("DELETE FROM job WHERE id = 1");
  Break("UPDATE run SET boot = 77");
  Break("DELETE FROM launch");
  const auto repaired = RepairFile(file_);
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  EXPECT_THAT(repaired->lines, Contains(HasSubstr("table run: 1 rows refer to rows of table job")));
  EXPECT_THAT(repaired->lines, Contains(HasSubstr("table job: 1 jobs without a launch")));
  Reopen();
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
  EXPECT_EQ(Get(kept).runs(0).boot_id(), "") << "emptied, not lost";
  EXPECT_EQ(Get(alone).state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Get(alone).reason(), HasSubstr("lost from a damaged database"));
  EXPECT_FALSE(fs::exists(repaired->copy.string() + "-shm"));
}

struct LostRow {
  const char* table;
  const char* shown;  // of a run, in its place
};

constexpr LostRow kLostRows[] = {
    {"principal", "SELECT user FROM run_row WHERE run_id = '1.1'"},
    {"device", "SELECT device FROM run_row WHERE run_id = '1.1'"},
    {"workload", "SELECT model_size FROM run_row WHERE run_id = '1.1'"},
    {"sweep", "SELECT 'unknown (lost)' FROM run_row WHERE run_id = '1.1' AND sweep_id = 1"},
};

TEST_F(DatabaseCheckTest, RepairKeepsRunsWhoseOwnerDeviceModelOrSweepIsLost) {
  for (const LostRow& lost : kLostRows) {
    SCOPED_TRACE(lost.table);
    RunToEnd(MakeJob());
    RunToEnd(MakeJob("medium", 2, 128));
    Start(SubmitOne(MakeJob("small", 3)));
    Close();
    Break("DELETE FROM " + std::string(lost.table) + " WHERE id = 1");
    const auto repaired = RepairFile(file_);
    ASSERT_TRUE(repaired.ok()) << repaired.status();
    EXPECT_THAT(repaired->lines,
                Contains(HasSubstr("rows of table " + std::string(lost.table) +
                                   " that are missing: kept, with 1 placeholders")));
    EXPECT_THAT(repaired->lines, testing::Not(Contains(HasSubstr("run_kind"))));
    EXPECT_TRUE(Check().empty());
    Reopen();
    EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 3);
    EXPECT_EQ(SelectInt("SELECT sum(runs) FROM run_kind"), 2);
    EXPECT_EQ(SelectText(lost.shown), "unknown (lost)");
    EXPECT_EQ(runs_->List({}, {}, true, 10, "")->runs.size(), 2);
    EXPECT_DOUBLE_EQ(runs_->Get("1.1")->run().step().mean_ns(), 31e6) << "what was measured";
    const bool can_run = std::string(lost.table) != "workload";
    EXPECT_EQ(Get(3).state(), can_run ? v1::JOB_STATE_RUNNING : v1::JOB_STATE_FAILED);
    EXPECT_THAT(Get(3).reason(), HasSubstr(can_run ? "" : "its model was lost"));
    Close();
    for (const auto& entry : fs::directory_iterator(folder_.path())) fs::remove(entry.path());
    Reopen();
  }
}

TEST_F(DatabaseCheckTest, RowsThatARuleOfTheTableDropsAreCounted) {
  for (int i = 0; i < 3; ++i) RunToEnd(MakeJob());
  Close();
  Break("DROP INDEX run_by_job; UPDATE run SET job_id = 1, number = 1 WHERE id > 1");
  const auto repaired = RepairFile(file_);
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  EXPECT_THAT(
      repaired->lines,
      Contains("table run: of the rows 2 to 3 up to 2 were dropped, as they break a rule of "
               "the table (UNIQUE, NOT NULL)"));
  Reopen();
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
  EXPECT_EQ(Integrity(), "ok");
}

// Of the OK runs of a launch the last stands for it, but each of those of a fit for itself.
TEST_F(DatabaseCheckTest, SumsAfterARepairAreOfTheRunsThatStandForTheirLaunch) {
  const auto run = [this](uint64_t job, uint32_t launch, double mean_ns, const AfterRun& after,
                          v1::Outcome outcome = v1::OUTCOME_OK) {
    FinishedRun finished = Ended(Start(job, launch), outcome);
    finished.run.mutable_step()->set_mean_ns(mean_ns);
    Finish(finished, after);
  };
  const uint64_t measured = SubmitOne(MakeJob("small", 2));
  run(measured, 0, 1, TryAgain(4, 256));
  run(measured, 0, 20, LaunchDone());
  run(measured, 1, 300, LaunchDone());
  const uint64_t crashed = SubmitOne(MakeJob());
  run(crashed, 0, 4000, TryAgain(4, 256));
  run(crashed, 0, 0, JobFailed("crashed"), v1::OUTCOME_CRASHED);
  NewJob fit = MakeJob();
  fit.spec.set_purpose(v1::PURPOSE_FIT);
  const uint64_t fitted = SubmitOne(fit);
  run(fitted, 0, 50'000, TryAgain(4, 256));
  run(fitted, 0, 600'000, LaunchDone());
  const std::string of_ok = "SELECT sum(step_mean_ns_sum) FROM run_rollup WHERE outcome = 1";
  const std::string all =
      "SELECT group_concat(workload_id || ' ' || timing || ' ' || purpose || ' ' || outcome || ' ' "
      "|| validity || ' ' || runs || ' ' || forward_runs || ' ' || forward_mean_ns_sum || ' ' "
      "|| step_runs || ' ' || step_mean_ns_sum, char(10)) "
      "FROM (SELECT * FROM run_rollup ORDER BY 1, 2, 3, 4, 5)";
  EXPECT_EQ(SelectInt(of_ok), 654'320);
  const std::string before = SelectText(all);
  Close();
  const auto repaired = RepairFile(file_);
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  Reopen();
  EXPECT_EQ(SelectInt(of_ok), 654'320);
  EXPECT_EQ(SelectText(all), before);
}

TEST_F(DatabaseCheckTest, WhatIsRepairedNeedsNoWal) {
  SubmitOne(MakeJob());
  Close();
  Break("DELETE FROM launch");
  ASSERT_TRUE(RepairFile(file_).ok());
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    names.push_back(entry.path().filename());
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("torchlap.db", "torchlap.db.damaged-1"));
}

TEST_F(DatabaseCheckTest, RepairReadsTheWalAndEachCopyHasItsOwnName) {
  const uint64_t job = SubmitOne(MakeJob());
  ASSERT_TRUE(fs::exists(file_.string() + "-wal"));
  const fs::path other = folder_.path() / "other.db";
  fs::copy_file(file_, other);
  fs::copy_file(file_.string() + "-wal", other.string() + "-wal");
  Close();
  file_ = other;
  const auto first = RepairFile(file_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->copy, other.string() + ".damaged-1");
  EXPECT_TRUE(fs::exists(first->copy.string() + "-wal"));
  Reopen();
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
  Close();
  EXPECT_EQ(RepairFile(file_)->copy, other.string() + ".damaged-2");
}

TEST_F(DatabaseCheckTest, WhatIsNoDatabaseIsNotRepaired) {
  Close();
  std::ofstream(file_, std::ios::binary | std::ios::trunc) << std::string(5000, 'x');
  EXPECT_FALSE(RepairFile(file_).ok());
  EXPECT_EQ(Contents(file_), std::string(5000, 'x'));
  EXPECT_FALSE(fs::exists(file_.string() + ".damaged-1"));
  EXPECT_FALSE(CheckFile(file_).ok());
}

TEST_F(DatabaseCheckTest, AnEmptyOrLostFileBesideItsWalIsRefused) {
  SubmitOne(MakeJob());
  const std::string wal = Contents(file_.string() + "-wal");
  ASSERT_GT(wal.size(), 0U);
  Close();
  std::ofstream(file_.string() + "-wal", std::ios::binary) << wal;
  fs::resize_file(file_, 0);
  EXPECT_THAT(Refusal(absl::StatusCode::kDataLoss), HasSubstr("is empty, but its WAL"));
  fs::remove(file_);
  EXPECT_THAT(Refusal(absl::StatusCode::kDataLoss), HasSubstr("is not there, but its WAL"));
  EXPECT_FALSE(fs::exists(file_)) << "none was made";
  EXPECT_EQ(Contents(file_.string() + "-wal"), wal);
}

TEST_F(DatabaseCheckTest, APipeAndAFolderAreRefusedAtOnce) {
  Close();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    fs::remove(file_.string() + suffix);
    ASSERT_EQ(::mkfifo((file_.string() + suffix).c_str(), 0600), 0);
    EXPECT_THAT(Refusal(absl::StatusCode::kFailedPrecondition), HasSubstr("is a pipe (FIFO)"));
    fs::remove(file_.string() + suffix);
  }
  fs::create_directory(file_);
  EXPECT_THAT(Refusal(absl::StatusCode::kFailedPrecondition), HasSubstr("is a folder"));
}

TEST_F(DatabaseCheckTest, AnImmutableFileIsRefusedWithThatReason) {
  Close();
  const FileDescriptor file(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
  int flags = 0;
  const bool is_known = ::ioctl(file.get(), FS_IOC_GETFLAGS, &flags) == 0;
  int immutable = flags | FS_IMMUTABLE_FL;
  if (!is_known || ::ioctl(file.get(), FS_IOC_SETFLAGS, &immutable) != 0) {
    GTEST_SKIP() << "only root may mark a file, and not on every file system";
  }
  const std::string message = Refusal(absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(::ioctl(file.get(), FS_IOC_SETFLAGS, &flags), 0);
  EXPECT_THAT(message, HasSubstr("immutable"));
  EXPECT_TRUE(Opened().ok());
}

}  // namespace
}  // namespace torchlap::storage
