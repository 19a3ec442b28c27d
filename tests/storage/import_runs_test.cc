#include "storage/import_runs.h"

#include <absl/strings/str_cat.h>

#include <fstream>
#include <memory>
#include <string>

#include "storage/database_check.h"
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

}  // namespace
}  // namespace torchlap::storage
