#include "storage/database.h"

#include <SQLiteCpp/Database.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "storage/schema.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_status.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class DatabaseTest : public StoreTest {
 protected:
  void SetUp() override { file_ = folder_.path() / "torchlap.db"; }

  // Opening must fail with this code; returns the message, which names the file.
  std::string Refused(absl::StatusCode code) {
    const absl::StatusOr<std::unique_ptr<Database>> opened = Database::Open(file_);
    EXPECT_EQ(opened.status().code(), code) << opened.status();
    EXPECT_THAT(std::string(opened.status().message()), HasSubstr(file_.string()));
    return std::string(opened.status().message());
  }
  void WriteFile(const std::string& bytes) { std::ofstream(file_, std::ios::binary) << bytes; }
  void ExecRaw(const std::string& sql) {
    SQLite::Database raw(file_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    raw.exec(sql);
  }
};

TEST_F(DatabaseTest, ANewFileIsForItsOwnerOnly) {
  const mode_t old_mask = umask(0);
  Reopen();
  SubmitOne(MakeJob());
  umask(old_mask);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat facts = {};
    ASSERT_EQ(stat((file_.string() + suffix).c_str(), &facts), 0) << suffix;
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << suffix;
  }
  EXPECT_GT(database_->size_bytes(), 4096u);
}

TEST_F(DatabaseTest, WhatWasWrittenIsThereAfterReopening) {
  Reopen();
  const uint64_t id = SubmitOne(MakeJob());
  Reopen();
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(DatabaseTest, TheWriterIsDurable) {
  Reopen();
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    EXPECT_EQ(storage::SelectInt(database, "PRAGMA synchronous"), 2) << "FULL";
                    EXPECT_EQ(storage::SelectInt(database, "PRAGMA foreign_keys"), 1);
                    Query mode(database, "PRAGMA journal_mode");
                    EXPECT_TRUE(mode.Step());
                    EXPECT_EQ(mode.Text(0), "wal");
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_F(DatabaseTest, AFailedBodyLeavesNothingBehind) {
  Reopen();
  const absl::Status status = database_->Write([&](SQLite::Database& database) {
    database.exec("INSERT INTO principal (principal, name) VALUES ('uid:5', 'eve')");
    return absl::CancelledError("changed my mind");
  });
  EXPECT_EQ(status, absl::CancelledError("changed my mind"));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM principal"), 0);
}

TEST_F(DatabaseTest, ReadersCannotWrite) {
  Reopen();
  const absl::Status status = database_->Read([](SQLite::Database& database) {
    database.exec("DELETE FROM principal");
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(DatabaseTest, AReaderSeesOneStateFromItsBeginningToItsEnd) {
  Reopen();
  SubmitOne(MakeJob());
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    EXPECT_EQ(storage::SelectInt(database, "SELECT count(*) FROM job"), 1);
    SubmitOne(MakeJob());
    EXPECT_EQ(storage::SelectInt(database, "SELECT count(*) FROM job"), 1);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 2);
}

TEST_F(DatabaseTest, AReaderOnWhichSqliteFailedIsNotUsedAgain) {
  Reopen();
  RunToEnd(MakeJob());
  const absl::Status status = database_->Read([](SQLite::Database& database) {
    database.exec("PRAGMA case_sensitive_like = ON");  // a state of the connection
    Query left_open(database, "SELECT id FROM job");
    EXPECT_TRUE(left_open.Step());
    EXPECT_FALSE(storage::SelectInt(database, "SELECT 1 WHERE 'a' LIKE 'A'").has_value());
    database.exec("SELECT nonsense FROM nowhere");
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_EQ(SelectInt("SELECT 1 WHERE 'a' LIKE 'A'"), 1);
}

TEST_F(DatabaseTest, AWriterOnWhichSqliteFailedRollsBackAndGoesOn) {
  Reopen();
  for (const char* wrong : {"SELECT nonsense FROM nowhere", "INSERT INTO principal (id) VALUES (1)",
                            "INSERT INTO job (id, no_column) VALUES (1, 2)"}) {
    const absl::Status status = database_->Write([&](SQLite::Database& database) {
      Execute(database, "INSERT INTO principal (principal, name) VALUES ('uid:5', 'eve')");
      Query rows(database, "SELECT id FROM principal");
      EXPECT_TRUE(rows.Step());
      Execute(database, wrong);
      return absl::OkStatus();
    });
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    EXPECT_EQ(SelectInt("SELECT count(*) FROM principal"), 0) << wrong;
  }
  EXPECT_GT(SubmitOne(MakeJob()), 0u);
}

TEST_F(DatabaseTest, AValueLargerThanSqliteTakesIsTheRequestsFault) {
  Reopen();
  const absl::Status status = database_->Write([](SQLite::Database& database) {
    sqlite3_limit(database.getHandle(), SQLITE_LIMIT_LENGTH, 1000);
    Execute(database, "INSERT INTO principal (principal, name) VALUES (?, '')",
            std::string(5000, 'x'));
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("larger than can be stored"));
}

TEST_F(DatabaseTest, ANewerSchemaIsRefusedAndNotTouched) {
  Reopen();
  SubmitOne(MakeJob());
  Close();
  ExecRaw("PRAGMA user_version = 99");
  const std::string before = Contents(file_);
  const std::string message = Refused(absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(message, HasSubstr("schema version 99"));
  EXPECT_THAT(message, HasSubstr("up to " + std::to_string(Migrations().back().version)));
  EXPECT_THAT(message, HasSubstr("install a newer torchlap"));
  EXPECT_TRUE(Contents(file_) == before);
}

TEST_F(DatabaseTest, ANewerSchemaIsRefusedEvenIfItStandsInTheWalOnly) {
  Reopen();
  SubmitOne(MakeJob());
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    database.exec("PRAGMA user_version = 99");
                    return absl::OkStatus();
                  })
                  .ok());
  // As after a crash: the WAL was not checkpointed.
  const fs::path copy = folder_.path() / "copy.db";
  fs::copy(file_, copy);
  fs::copy(file_.string() + "-wal", copy.string() + "-wal");
  Close();
  file_ = copy;
  const std::string before = Contents(file_);
  const std::string wal_before = Contents(file_.string() + "-wal");
  Refused(absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Contents(file_) == before);
  EXPECT_TRUE(Contents(file_.string() + "-wal") == wal_before);
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsRefusedAndNotTouched) {
  WriteFile("a letter to my aunt\n");
  EXPECT_THAT(Refused(absl::StatusCode::kFailedPrecondition), HasSubstr("not a SQLite database"));
  EXPECT_EQ(Contents(file_), "a letter to my aunt\n");
}

TEST_F(DatabaseTest, ADatabaseOfAnotherProgramIsRefusedAndNotTouched) {
  ExecRaw("CREATE TABLE recipe (name TEXT)");
  const std::string before = Contents(file_);
  EXPECT_THAT(Refused(absl::StatusCode::kFailedPrecondition), HasSubstr("another program"));
  EXPECT_TRUE(Contents(file_) == before);
}

TEST_F(DatabaseTest, ATruncatedFileIsDataLoss) {
  Reopen();
  Submit(std::vector<NewJob>(100, MakeJob()));
  Close();
  fs::resize_file(file_, fs::file_size(file_) / 2);
  EXPECT_THAT(Refused(absl::StatusCode::kDataLoss), HasSubstr("damaged"));
}

TEST_F(DatabaseTest, AFileWhoseSchemaIsOverwrittenIsDataLoss) {
  Reopen();
  Close();
  std::string bytes = Contents(file_);
  bytes.replace(100, 3000, std::string(3000, '\xff'));
  WriteFile(bytes);
  EXPECT_THAT(Refused(absl::StatusCode::kDataLoss), HasSubstr("damaged"));
}

TEST_F(DatabaseTest, AFolderThatIsNotThereIsNamed) {
  file_ = folder_.path() / "nowhere" / "torchlap.db";
  EXPECT_THAT(Refused(absl::StatusCode::kNotFound), HasSubstr("folder must be there"));
}

TEST_F(DatabaseTest, AReadOnlyFolderIsRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write into any folder";
  fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec);
  Refused(absl::StatusCode::kPermissionDenied);
  fs::permissions(folder_.path(), fs::perms::owner_all);
}

TEST_F(DatabaseTest, AReadOnlyFileIsRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write to any file";
  Reopen();
  Close();
  fs::permissions(file_, fs::perms::owner_read);
  Refused(absl::StatusCode::kPermissionDenied);
}

TEST_F(DatabaseTest, AFolderInPlaceOfTheFileIsRefused) {
  fs::create_directory(file_);
  EXPECT_FALSE(Database::Open(file_).ok());
}

TEST_F(DatabaseTest, SystemErrorsAreToldInPlainWords) {
  const auto status = [&](int number) { return StatusOfSystemError("open", file_, number); };
  EXPECT_EQ(status(EACCES).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status(EROFS).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status(ENOSPC).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status(EDQUOT).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status(ENOENT).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status(EIO).code(), absl::StatusCode::kUnavailable);
}

class MigrationTest : public DatabaseTest {
 protected:
  static std::vector<Migration> UpTo(uint32_t version) {
    const std::vector<Migration> all = {
        {1, "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)"},
        {2, "ALTER TABLE a ADD COLUMN y INTEGER"},
        {3, "UPDATE a SET y = x + 1"},
    };
    return {all.begin(), all.begin() + version};
  }
  fs::path BackupBefore(uint32_t version) {
    return file_.string() + ".before-v" + std::to_string(version);
  }
};

TEST_F(MigrationTest, AnOlderFileIsMigratedAndACopyIsKept) {
  ASSERT_TRUE(Database::Open(file_, UpTo(1)).ok());
  absl::StatusOr<std::unique_ptr<Database>> opened = Database::Open(file_, UpTo(3));
  ASSERT_TRUE(opened.ok()) << opened.status();
  database_ = std::move(*opened);
  EXPECT_EQ(database_->schema_version(), 3u);
  EXPECT_EQ(SelectInt("SELECT y FROM a"), 2);
  EXPECT_EQ(SelectInt("PRAGMA user_version"), 3);
  ASSERT_TRUE(fs::exists(BackupBefore(3)));
  EXPECT_EQ(fs::status(BackupBefore(3)).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  SQLite::Database backup(BackupBefore(3).string());
  EXPECT_EQ(backup.execAndGet("PRAGMA user_version").getInt(), 1);
  EXPECT_EQ(backup.execAndGet("SELECT x FROM a").getInt(), 1);
  EXPECT_EQ(backup.execAndGet("PRAGMA application_id").getInt(), kApplicationId);
}

TEST_F(MigrationTest, ANewFileAndOneOfTheNewestVersionNeedNoCopy) {
  ASSERT_TRUE(Database::Open(file_, UpTo(3)).ok());
  ASSERT_TRUE(Database::Open(file_, UpTo(3)).ok());
  EXPECT_FALSE(fs::exists(BackupBefore(3)));
}

TEST_F(MigrationTest, AStepThatFailsLeavesTheVersionBeforeIt) {
  ASSERT_TRUE(Database::Open(file_, UpTo(1)).ok());
  std::vector<Migration> broken = UpTo(2);
  broken.push_back({3, "UPDATE a SET y = 5; SELECT nonsense FROM nowhere"});
  EXPECT_EQ(Database::Open(file_, broken).status().code(), absl::StatusCode::kInternal);
  absl::StatusOr<std::unique_ptr<Database>> opened = Database::Open(file_, UpTo(2));
  ASSERT_TRUE(opened.ok()) << opened.status();
  database_ = std::move(*opened);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM a WHERE y IS NULL"), 1);
}

// One of each schema that was released stays in tests/golden for ever.
TEST_F(DatabaseTest, AFileOfSchema1IsMigratedAndItsRunsAreWhatTheyWere) {
  std::ostringstream sql;
  sql << std::ifstream(TORCHLAP_GOLDEN_DIR "/database-v1.sql").rdbuf();
  ExecRaw(sql.str());
  Reopen();
  EXPECT_TRUE(
      fs::exists(file_.string() + ".before-v" + std::to_string(Migrations().back().version)));
  EXPECT_EQ(Integrity(), "ok");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 7);
  EXPECT_EQ(SelectText("SELECT group_concat(outcome) FROM runs"),
            "OK,OK,OK,OK,OUT_OF_MEMORY,OK,SKIPPED");
  const v1::RunDetail detail = *runs_->Get("5.2");
  EXPECT_EQ(detail.run().cause(), v1::CAUSE_OOM_RETRY);
  EXPECT_EQ(detail.run().workload().transformer_lm().batch_size(), 64u);
  EXPECT_DOUBLE_EQ(detail.run().step().mean_ns(), 355046346.3333333);
  EXPECT_FALSE(detail.run().step().has_p5_ns());
  EXPECT_TRUE(detail.readings().has_load_average());
  EXPECT_EQ(runs_->Samples("5.2")->step_ns_size(), 4);
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_SUCCEEDED);
  RunToEnd(MakeJob());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 8);
}

// Schema 2 counted every try in its roll-up, and forgot what a pinned launch was asked for.
TEST_F(DatabaseTest, AFileOfSchema2IsMigratedAndGoesOnWhereItStopped) {
  std::ostringstream sql;
  sql << std::ifstream(TORCHLAP_GOLDEN_DIR "/database-v2.sql").rdbuf();
  ExecRaw(sql.str());
  // Run 4.1 becomes two tries of one launch.
  ExecRaw("UPDATE run SET job_id = 4, number = 2, cause = 2 WHERE job_id = 5 AND number = 1");
  Reopen();
  EXPECT_EQ(database_->schema_version(), Migrations().back().version);
  EXPECT_EQ(Integrity(), "ok");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 8);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE outcome = 'OK'"), 6);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE outcome = 'OUT_OF_MEMORY'"), 2);
  const v1::RunDetail detail = *runs_->Get("1.2");
  EXPECT_EQ(detail.run().labels().at("card"), "A");
  EXPECT_DOUBLE_EQ(detail.run().forward().median_ns(), 1e6);
  EXPECT_TRUE(detail.run().has_assessment());
  EXPECT_EQ(jobs_->Count()->finished_runs, 8u);
  EXPECT_EQ(SelectInt("SELECT sum(forward_runs) FROM run_rollup"), 4);
  EXPECT_EQ(SelectInt("SELECT sum(step_mean_ns_sum) FROM run_rollup"), 5 * 3'100'000);
  // Each finished run is of a kind, and each kind counts its runs.
  EXPECT_EQ(SelectInt("SELECT sum(runs) FROM run_kind"), 8);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE (kind_id IS NULL) <> (outcome IS NULL)"), 0);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run_kind WHERE runs <> (SELECT count(*) FROM run WHERE "
                      "kind_id = run_kind.id AND outcome = run_kind.outcome "
                      "AND device_id = run_kind.device_id)"),
            0);

  EXPECT_EQ(jobs_->RecoverInterrupted(++now_ns_).value(), 1u);
  const absl::StatusOr<Rehomed> rehomed = jobs_->Rehome({{cpu0_}, {"uuid:CPU-0", "class:cpu"}}, 1);
  ASSERT_TRUE(rehomed.ok()) << rehomed.status();
  EXPECT_EQ(rehomed->launches, 3u);
  EXPECT_EQ(rehomed->failed_jobs, 0u);
  EXPECT_THAT(KeysOfJobs(),
              testing::ElementsAre(testing::Pair(6, "class:cpu"), testing::Pair(7, "class:cpu")));
  RunToEnd(MakeJob());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 10);
  EXPECT_EQ(SelectInt("SELECT sum(runs) FROM run_kind"), 10);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE (kind_id IS NULL) <> (outcome IS NULL)"), 0);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run_kind WHERE runs <> (SELECT count(*) FROM run WHERE "
                      "kind_id = run_kind.id AND outcome = run_kind.outcome "
                      "AND device_id = run_kind.device_id)"),
            0);
}

TEST_F(DatabaseTest, AFileOfSchema3IsMigratedAndItsQueueIsWhatItWas) {
  std::ostringstream sql;
  sql << std::ifstream(TORCHLAP_GOLDEN_DIR "/database-v3.sql").rdbuf();
  ExecRaw(sql.str());
  Reopen();
  EXPECT_EQ(database_->schema_version(), Migrations().back().version);
  EXPECT_TRUE(
      fs::exists(file_.string() + ".before-v" + std::to_string(Migrations().back().version)));
  EXPECT_EQ(Integrity(), "ok");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 8);
  EXPECT_EQ(SelectInt("SELECT sum(runs) FROM run_kind"), 8);
  EXPECT_EQ(SelectText("SELECT group_concat(name) FROM pragma_index_info('launch_order')"),
            "state,priority,position,job_id,device_key,owner_id");
  EXPECT_EQ(jobs_->RecoverInterrupted(++now_ns_).value(), 1u);
  EXPECT_THAT(KeysOfJobs(), testing::ElementsAre(testing::Key(6), testing::Key(7)));
  RunToEnd(MakeJob());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 10);
}

TEST_F(DatabaseTest, AFileOfSchema4IsMigratedAndWhatItDidNotKnowIsUnset) {
  std::ostringstream sql;
  sql << std::ifstream(TORCHLAP_GOLDEN_DIR "/database-v4.sql").rdbuf();
  ExecRaw(sql.str());
  Reopen();
  EXPECT_EQ(database_->schema_version(), Migrations().back().version);
  EXPECT_TRUE(
      fs::exists(file_.string() + ".before-v" + std::to_string(Migrations().back().version)));
  EXPECT_EQ(Integrity(), "ok");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 8);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE energy_per_step_j IS NOT NULL "
                      "OR energy_source IS NOT NULL OR power_mean_watts IS NOT NULL"),
            0);
  EXPECT_EQ(SelectText("SELECT group_concat(name) FROM pragma_index_info('launch_order')"),
            "state,priority,position,job_id,device_key,owner_id");
}

TEST_F(DatabaseTest, AFileOfSchema5IsMigratedAndNoneOfItsRunsIsInvalid) {
  std::ostringstream sql;
  sql << std::ifstream(TORCHLAP_GOLDEN_DIR "/database-v5.sql").rdbuf();
  ExecRaw(sql.str());
  Reopen();
  EXPECT_EQ(database_->schema_version(), Migrations().back().version);
  EXPECT_TRUE(
      fs::exists(file_.string() + ".before-v" + std::to_string(Migrations().back().version)));
  EXPECT_EQ(Integrity(), "ok");
  EXPECT_DOUBLE_EQ(runs_->Get("1.1")->run().device_summary().energy_per_step_j(), 3.5);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 8);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE note IS NOT NULL "
                      "OR invalid_reason IS NOT NULL"),
            0);
  const absl::StatusOr<RunPage> page = runs_->List({}, {}, false, 50, "");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->runs.size(), 8);
  EXPECT_EQ(SelectText("SELECT group_concat(name) FROM pragma_table_info('baseline')"),
            "owner_id,series_id,run_id,set_at_ns,reason");
}

TEST_F(DatabaseTest, AFileOfSchema6IsMigratedAndWhatItDeclaredInvalidCountsNoLonger) {
  std::ostringstream sql;
  sql << std::ifstream(TORCHLAP_GOLDEN_DIR "/database-v6.sql").rdbuf();
  ExecRaw(sql.str());
  Reopen();
  EXPECT_EQ(database_->schema_version(), Migrations().back().version);
  EXPECT_TRUE(
      fs::exists(file_.string() + ".before-v" + std::to_string(Migrations().back().version)));
  EXPECT_EQ(Integrity(), "ok");
  EXPECT_EQ(runs_->Get("1.1")->run().note(), "after the new fan");
  EXPECT_EQ(runs_->Get("4.1")->run().invalid_reason(), "the window was open");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM baseline"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE host IS NOT NULL"), 0);
  EXPECT_EQ(SelectInt("SELECT runs FROM run_rollup WHERE workload_id = 5"), 1);
  EXPECT_EQ(SelectInt("SELECT step_runs FROM run_rollup WHERE workload_id = 5"), 0);
  EXPECT_EQ(SelectInt("SELECT step_runs FROM run_rollup WHERE workload_id = 1"), 2);
}

// Writes jobs and runs until it is killed; says each finished run's job on the pipe.
[[noreturn]] void WriteForEver(const fs::path& file, int pipe) {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(file);
  if (!database.ok()) _exit(1);
  JobStore jobs(database->get(), "boot", 0);
  for (int64_t now = 1;; ++now) {
    const auto submitted = jobs.Submit({"uid:1", "ann", false}, "", "", "", {MakeJob()}, {0}, now);
    if (!submitted.ok()) _exit(2);
    const auto started = jobs.Start(submitted->job_ids[0], 0, {"cpu0", "CPU-0", "CPU"}, now);
    if (!started.ok() || !jobs.FinishRun(Ended(*started), LaunchDone(), now).ok()) _exit(3);
    if (write(pipe, &submitted->job_ids[0], sizeof(uint64_t)) != sizeof(uint64_t)) _exit(4);
  }
}

TEST_F(DatabaseTest, AWriterKilledAtAnyMomentLosesNothingThatItHadSaid) {
  for (const int before_kill : {1, 7, 40}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) WriteForEver(file_, ends[1]);
    close(ends[1]);
    std::vector<uint64_t> said;
    uint64_t id = 0;
    while (read(ends[0], &id, sizeof id) == sizeof id) {
      said.push_back(id);
      if (said.size() == static_cast<size_t>(before_kill)) kill(child, SIGKILL);
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
    ASSERT_GE(said.size(), static_cast<size_t>(before_kill));
    Reopen();
    EXPECT_EQ(Integrity(), "ok");
    for (const uint64_t job : said) {
      EXPECT_EQ(Get(job).state(), v1::JOB_STATE_SUCCEEDED) << job;
      EXPECT_EQ(Get(job).runs_size(), 1) << job;
    }
    EXPECT_TRUE(jobs_->RecoverInterrupted(1'000'000).ok());
    EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE outcome IS NULL"), 0);
    Close();
  }
}

}  // namespace
}  // namespace torchlap::storage
