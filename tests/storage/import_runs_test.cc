#include "storage/import_runs.h"

#include <absl/strings/str_cat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "storage/database_check.h"
#include "storage/prune.h"
#include "storage/run_words.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

ImportSetting From(const std::string& host) {
  return {host, [](const std::string& key, const std::string& of) { return key + " of " + of; }};
}

// The store of the fixture is the one that imports.
class Import : public StoreTest {
 protected:
  // A database of another machine, closed again; its runs are those that `fill` makes there.
  template <typename Fill>
  std::filesystem::path Elsewhere(const std::string& name, Fill fill,
                                  const std::string& host = "") {
    const std::filesystem::path own = file_;
    Close();
    file_ = folder_.path() / name;
    Reopen();
    fill();
    if (!host.empty()) {
      EXPECT_TRUE(StoreHost(database_.get(), host).ok());
    }
    Close();
    const std::filesystem::path other = file_;
    file_ = own;
    Reopen();
    return other;
  }
  ImportedRuns Take(const std::filesystem::path& file, const std::string& host) {
    const auto imported = ImportRuns(database_.get(), file, From(host), /*jobs_at_once=*/2);
    EXPECT_TRUE(imported.ok()) << imported.status();
    return imported.value_or(ImportedRuns());
  }
  void ExpectSound() {
    const auto findings = CheckFile(file_);
    ASSERT_TRUE(findings.ok()) << findings.status();
    EXPECT_THAT(findings->unreadable, IsEmpty());
    EXPECT_THAT(findings->inconsistent, IsEmpty());
    for (const char* counted : {"run_rollup", "run_kind"}) {
      EXPECT_EQ(SelectInt(absl::StrCat("SELECT ifnull(sum(runs), 0) FROM ", counted)),
                SelectInt("SELECT count(*) FROM run WHERE outcome IS NOT NULL"))
          << counted;
    }
  }
};

TEST_F(Import, RunsStandBesideOnesOwnWithIdsOfTheirOwn) {
  const auto other = Elsewhere("other.db", [&] {
    RunToEnd(MakeJob("small"));
    RunToEnd(MakeJob("medium"));
    RunToEnd(MakeJob("large"));
  });
  RunToEnd(MakeJob("small"));
  const ImportedRuns imported = Take(other, "lab2");
  EXPECT_EQ(imported.jobs, 3);
  EXPECT_EQ(imported.runs, 3);
  EXPECT_EQ(imported.known_runs, 0);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 4);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job WHERE host = 'lab2'"), 3);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sample"), 4);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE host = 'lab2' AND step_mean_ns > 0"), 3);
  // What both have computed is one workload.
  EXPECT_EQ(SelectInt("SELECT count(DISTINCT workload_id) FROM run"), 3);
  ExpectSound();
}

TEST_F(Import, OwnersAndSeriesOfAnotherMachineAreOthers) {
  const auto other = Elsewhere("other.db", [&] { RunToEnd(MakeJob()); });
  RunToEnd(MakeJob());
  Take(other, "lab2");
  EXPECT_EQ(SelectInt("SELECT count(DISTINCT owner_id) FROM run"), 2);
  EXPECT_THAT(SelectText("SELECT user FROM runs WHERE host = 'lab2'"), HasSubstr("@lab2"));
  EXPECT_THAT(SelectText("SELECT principal FROM principal WHERE name LIKE '%@lab2'"),
              HasSubstr("host:lab2/uid:"));
  EXPECT_EQ(SelectInt("SELECT count(DISTINCT series) FROM run"), 2);
}

TEST_F(Import, WhatIsHereAlreadyIsKnown) {
  const auto other = Elsewhere("other.db", [&] {
    RunToEnd(MakeJob("small"));
    RunToEnd(MakeJob("medium"));
  });
  Take(other, "lab2");
  const ImportedRuns again = Take(other, "lab2");
  EXPECT_EQ(again.jobs, 0);
  EXPECT_EQ(again.known_runs, 2);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 2);
  ExpectSound();
}

TEST_F(Import, JobsThatAreNotFinishedAreNotTaken) {
  const auto other = Elsewhere("other.db", [&] {
    RunToEnd(MakeJob("small"));
    SubmitOne(MakeJob("medium"));
  });
  EXPECT_EQ(Take(other, "lab2").jobs, 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM launch"), 0);
}

TEST_F(Import, TheFileSaysItsHost) {
  const auto other = Elsewhere(
      "other.db", [&] { RunToEnd(MakeJob()); }, "lab7");
  EXPECT_EQ(Take(other, "").host, "lab7");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job WHERE host = 'lab7'"), 1);
}

TEST_F(Import, AFileThatDoesNotSayItsHostNeedsOne) {
  const auto other = Elsewhere("other.db", [&] { RunToEnd(MakeJob()); });
  const auto imported = ImportRuns(database_.get(), other, From(""));
  EXPECT_EQ(imported.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(imported.status().message(), HasSubstr("--host"));
}

TEST_F(Import, WhatWasImportedThereKeepsItsHost) {
  const auto first = Elsewhere("first.db", [&] { RunToEnd(MakeJob("small")); });
  const auto second = Elsewhere("second.db", [&] {
    Take(first, "lab1");
    RunToEnd(MakeJob("medium"));
  });
  EXPECT_EQ(Take(second, "lab2").jobs, 2);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job WHERE host = 'lab1'"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job WHERE host = 'lab2'"), 1);
  EXPECT_EQ(SelectText("SELECT name FROM principal WHERE name LIKE '%lab1%'").find("@lab2"),
            std::string::npos);
}

TEST_F(Import, AJobWhoseRowsAreDamagedIsLeftOut) {
  const auto other = Elsewhere("other.db", [&] {
    RunToEnd(MakeJob("small"));
    const uint64_t damaged = RunToEnd(MakeJob("medium"));
    RunToEnd(MakeJob("large"));
    Break(absl::StrCat(
        "DELETE FROM workload WHERE id = (SELECT workload_id FROM job WHERE id = ", damaged, ")"));
  });
  const ImportedRuns imported = Take(other, "lab2");
  EXPECT_EQ(imported.jobs, 2);
  EXPECT_EQ(imported.unreadable_runs, 1);
  ExpectSound();
}

TEST_F(Import, WhatIsNoDatabaseIsRefused) {
  for (const std::string content : {"", "not a database, but long enough to be read as one"}) {
    const std::filesystem::path file = folder_.path() / "text.db";
    std::ofstream(file) << content;
    EXPECT_EQ(ImportRuns(database_.get(), file, From("lab2")).status().code(),
              absl::StatusCode::kInvalidArgument)
        << content;
  }
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 0);
}

TEST_F(Import, ADatabaseOfAnotherProgramIsSaidToBeOne) {
  const auto other = Elsewhere("other.db", [&] {
    RunToEnd(MakeJob());
    Break("PRAGMA application_id = 7");
  });
  EXPECT_EQ(
      ImportRuns(database_.get(), other, From("lab2")).status(),
      absl::InvalidArgumentError("the file is a database of another program, must be one that "
                                 "torchlap backup wrote"));
}

TEST_F(Import, ADamagedFileIsSaidToBeOneInALine) {
  const auto other = Elsewhere("other.db", [&] {
    for (int i = 0; i < 20; ++i) RunToEnd(MakeJob());
  });
  {
    std::fstream file(other, std::ios::in | std::ios::out | std::ios::binary);
    const size_t half = std::filesystem::file_size(other) / 8192 * 4096;
    file.seekp(static_cast<std::streamoff>(half));
    file << std::string(half, '\x5a');
  }
  const absl::Status status = ImportRuns(database_.get(), other, From("lab2")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("the file is damaged ("));
  EXPECT_LT(status.message().size(), 200U) << status;
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
}

TEST_F(Import, RunsThatAreDeclaredInvalidAreInNoMean) {
  const auto other = Elsewhere("other.db", [&] {
    RunToEnd(MakeJob());
    RunToEnd(MakeJob());
    v1::RunFilter second;
    second.mutable_selector()->add_run_ids("2.1");
    ASSERT_TRUE(RunWords(database_.get()).Invalidate(second, {}, "a fan", ann_).ok());
  });
  Take(other, "lab2");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE invalid_reason IS NOT NULL"), 1);
  EXPECT_EQ(SelectInt("SELECT sum(runs) FROM run_rollup"), 2);
  EXPECT_EQ(SelectInt("SELECT sum(step_runs) FROM run_rollup"), 1);
  ExpectSound();
}

// Two machines with as many cores call their device the same.
TEST_F(Import, DevicesOfAnotherMachineAreOthers) {
  const auto other = Elsewhere("other.db", [&] { RunToEnd(MakeJob()); });
  RunToEnd(MakeJob());
  Take(other, "lab2");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE device_uuid = 'CPU-0'"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE device_uuid = 'CPU-0@lab2'"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job WHERE device_id NOT IN "
                      "(SELECT device_id FROM run WHERE job_id = job.id)"),
            0);
  const auto third = Elsewhere("third.db", [&] { Take(other, "lab2"); });
  EXPECT_EQ(Take(third, "lab3").known_runs, 1);
  const auto fourth = Elsewhere("fourth.db", [&] {
    RunToEnd(MakeJob("large"));
    Break("UPDATE job SET host = 'lab4'");
  });
  Take(fourth, "lab5");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs WHERE device_uuid = 'CPU-0'"), 1)
      << "whatever the file says of its host";
}

TEST_F(Import, AFileThatClaimsAnotherHostMakesNobodyHere) {
  const auto other = Elsewhere("other.db", [&] {
    RunToEnd(MakeJob());
    Break("UPDATE job SET host = 'lab1'");
    Break("UPDATE principal SET name = 'mallory'");
  });
  RunToEnd(MakeJob("medium"));
  Take(other, "lab2");
  EXPECT_EQ(SelectText("SELECT name FROM principal WHERE principal = 'uid:1000'"), "ann");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run JOIN principal ON principal.id = owner_id "
                      "WHERE principal = 'uid:1000'"),
            1);
}

TEST_F(Import, AJobIsKnownByAnyOfItsRuns) {
  const auto other = Elsewhere("other.db", [&] {
    const uint64_t job = SubmitOne(MakeJob("small", /*launches=*/2));
    Finish(Ended(Start(job, 0)), LaunchDone());
    Finish(Ended(Start(job, 1)), LaunchDone());
  });
  ASSERT_EQ(Take(other, "lab2").runs, 2);
  v1::RunFilter first;
  first.mutable_selector()->add_run_ids("1.1");
  const auto pruned = PruneWholeRuns(database_.get(), first, {}, Pruning::kDelete, 10);
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  ASSERT_EQ(pruned->runs, 1);
  EXPECT_EQ(Take(other, "lab2").jobs, 0);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
}

TEST_F(Import, EndsBetweenTransactionsAndGoesOnTheNextTime) {
  const auto other = Elsewhere("other.db", [&] {
    for (const char* size : {"small", "medium", "large"}) RunToEnd(MakeJob(size));
  });
  ImportSetting setting = From("lab2");
  int asked = 0;
  setting.stops = [&asked] { return ++asked > 1; };
  EXPECT_EQ(ImportRuns(database_.get(), other, setting, 2).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 2);
  ExpectSound();
  EXPECT_EQ(Take(other, "lab2").runs, 1);
}

TEST_F(Import, AFileWithCodeOfItsOwnIsRefused) {
  const char* const endless =
      "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id FROM n";
  const std::map<std::string, std::string> codes = {
      {"trigger 'more'", "CREATE TRIGGER more AFTER UPDATE ON run BEGIN DELETE FROM sample; END"},
      {"trigger 'run_ends'",
       "DROP TRIGGER run_ends; CREATE TRIGGER run_ends AFTER UPDATE ON run BEGIN "
       "DELETE FROM sample; END"},
      {"'job', which is no table",
       absl::StrCat("ALTER TABLE job RENAME TO old_job; CREATE VIEW job AS ", endless)},
      {"'json_each'", absl::StrCat("CREATE VIEW json_each AS ", endless)},
      {"'pragma_table_info'", "CREATE TABLE pragma_table_info (name TEXT)"},
      {"'reading' with computed columns",
       "ALTER TABLE reading ADD COLUMN more INTEGER AS (run_id + 1)"},
  };
  int number = 0;
  for (const auto& [what, code] : codes) {
    const auto other = Elsewhere(absl::StrCat("hostile-", ++number, ".db"), [&, &code = code] {
      RunToEnd(MakeJob());
      Break(code);
    });
    const absl::Status status = ImportRuns(database_.get(), other, From("lab2")).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << what;
    EXPECT_THAT(status.message(), HasSubstr(what));
  }
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 0);
}

TEST_F(Import, ColumnsThatOnlyTheFileHasAreLeft) {
  const auto other = Elsewhere("other.db", [&] {
    RunToEnd(MakeJob());
    Break("ALTER TABLE reading ADD COLUMN \"x) SELECT 1 --\" INTEGER");
  });
  EXPECT_EQ(Take(other, "lab2").runs, 1);
  ExpectSound();
}

TEST_F(Import, AJobWithValuesThatAreNotOursIsLeftOutAlone) {
  const auto other = Elsewhere("other.db", [&] {
    for (const char* size : {"small", "medium", "large"}) RunToEnd(MakeJob(size));
    Break(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, "
        "'launches INTEGER NOT NULL', 'launches INTEGER') WHERE name = 'job'");
    Break("UPDATE job SET launches = NULL WHERE id = 2");
    Break("UPDATE sample SET steps = zeroblob(2000000) WHERE run_id = 3");
  });
  ImportSetting setting = From("lab2");
  setting.most_value_bytes = 1'000'000;
  const auto imported = ImportRuns(database_.get(), other, setting);
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->runs, 1);
  EXPECT_EQ(imported->unreadable_runs, 2);
  ExpectSound();
}

TEST_F(Import, ARefusalDoesNotNameTheCopy) {
  const std::filesystem::path file = folder_.path() / "text.db";
  std::ofstream(file) << "not a database, but long enough to be read as one";
  const absl::Status status = ImportRuns(database_.get(), file, From("lab2")).status();
  EXPECT_THAT(status.message(), HasSubstr("the file: not a SQLite database"));
}

TEST_F(Import, ASweepStaysOneWhateverIsLeftOutOfItOrKnown) {
  const auto other = Elsewhere("other.db", [&] {
    const Submitted sweep = Submit({MakeJob("small"), MakeJob("medium"), MakeJob("large")});
    for (const uint64_t job : sweep.job_ids) Finish(Ended(Start(job)), LaunchDone());
    Break("DELETE FROM workload WHERE id = (SELECT workload_id FROM job WHERE id = 2)");
  });
  EXPECT_EQ(Take(other, "lab2").jobs, 2);
  EXPECT_EQ(SelectInt("SELECT count(DISTINCT sweep_id) FROM job"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sweep"), 1);
  ExpectSound();
}

TEST_F(Import, AnImportThatGoesOnMakesNoSecondSweep) {
  const auto other = Elsewhere("other.db", [&] {
    const Submitted sweep = Submit({MakeJob("small"), MakeJob("medium"), MakeJob("large")});
    for (const uint64_t job : sweep.job_ids) Finish(Ended(Start(job)), LaunchDone());
  });
  ImportSetting setting = From("lab2");
  int asked = 0;
  setting.stops = [&asked] { return ++asked > 1; };
  ASSERT_FALSE(ImportRuns(database_.get(), other, setting, 1).ok());
  EXPECT_EQ(Take(other, "lab2").jobs, 2);
  EXPECT_EQ(SelectInt("SELECT count(DISTINCT sweep_id) FROM job"), 1);
}

TEST_F(Import, AHostThatNobodyCouldHaveGivenIsNone) {
  const auto other = Elsewhere(
      "other.db", [&] { RunToEnd(MakeJob()); }, "lab\x1b[2J");
  EXPECT_THAT(ImportRuns(database_.get(), other, From("")).status().message(), HasSubstr("--host"));
}

TEST_F(Import, AHostThatIsStoredAlreadyIsNotWritten) {
  ASSERT_TRUE(StoreHost(database_.get(), "lab1").ok());
  const uint64_t bytes = database_->size_bytes();
  ASSERT_TRUE(StoreHost(database_.get(), "lab1").ok());
  EXPECT_EQ(database_->size_bytes(), bytes);
  ASSERT_TRUE(StoreHost(database_.get(), "lab2").ok());
  EXPECT_EQ(SelectText("SELECT host FROM machine"), "lab2");
}

}  // namespace
}  // namespace torchlap::storage
