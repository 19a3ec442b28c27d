#include "server/daemon/database_care.h"

#include <SQLiteCpp/Database.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "server/daemon/lock_file.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::daemon {
namespace {

using testing::HasSubstr;

class DatabaseCareTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    RunToEnd(storage::MakeJob());
    waiting_ = SubmitOne(storage::MakeJob());
  }
  const std::filesystem::path& state() const { return folder_.path(); }

  uint64_t waiting_ = 0;
};

TEST_F(DatabaseCareTest, ASoundDatabaseIsSaidToBeAndNotRepaired) {
  EXPECT_EQ(CheckState(state()).exit_status, kCareDone);
  Close();
  for (const CareReport& report : {CheckState(state()), RepairState(state())}) {
    EXPECT_EQ(report.exit_status, kCareDone);
    EXPECT_EQ(report.text, file_.string() + ": nothing is wrong\n");
  }
  EXPECT_FALSE(std::filesystem::exists(file_.string() + ".damaged-1"));
}

TEST_F(DatabaseCareTest, WhatIsWrongIsListedAndRepaired) {
  Close();
  Break("DELETE FROM run");
  Break("DELETE FROM launch");
  const CareReport checked = CheckState(state());
  EXPECT_EQ(checked.exit_status, kCareFound);
  EXPECT_THAT(checked.text, HasSubstr("torchlapd --repair keeps what can be read\n"));
  EXPECT_THAT(checked.text, HasSubstr("  table run has no row 1, which row 1 of table sample"));
  EXPECT_THAT(checked.text, HasSubstr("  job 2 is not finished and has no launch\n"));
  const CareReport repaired = RepairState(state());
  EXPECT_EQ(repaired.exit_status, kCareDone) << repaired.text;
  EXPECT_THAT(repaired.text, HasSubstr("as it was: " + file_.string() + ".damaged-1\n"));
  EXPECT_THAT(repaired.text, HasSubstr("1 jobs without a launch are FAILED"));
  EXPECT_EQ(CheckState(state()).exit_status, kCareDone);
  Reopen();
  EXPECT_EQ(Get(waiting_).state(), v1::JOB_STATE_FAILED);
}

// As a daemon that was killed leaves it: the newest changes are in the WAL alone.
TEST_F(DatabaseCareTest, RepairNeedsNoRoomInTheFolderOfTemporaryFiles) {
  for (const bool is_damaged : {false, true}) {
    if (is_damaged) Reopen();
    if (is_damaged) Break("DELETE FROM launch");
    const std::string wal = storage::Contents(file_.string() + "-wal");
    const std::string before = storage::Contents(file_);
    ASSERT_GT(wal.size(), 0U);
    Close();
    std::ofstream(file_, std::ios::binary) << before;
    std::ofstream(file_.string() + "-wal", std::ios::binary) << wal;
    const char* const temporary = ::getenv("TMPDIR");
    const std::string old = temporary == nullptr ? "" : temporary;
    ::setenv("TMPDIR", (state() / "nowhere").c_str(), 1);
    const CareReport report = RepairState(state());
    ::setenv("TMPDIR", old.c_str(), 1);
    if (temporary == nullptr) ::unsetenv("TMPDIR");
    EXPECT_EQ(report.exit_status, kCareDone) << report.text;
    EXPECT_THAT(report.text, HasSubstr(is_damaged ? "1 jobs without a launch are FAILED"
                                                  : ": nothing is wrong\n"));
  }
}

TEST_F(DatabaseCareTest, ADatabaseThatADaemonHasIsNotRepaired) {
  Break("DELETE FROM launch");
  const auto held = LockFile::Acquire(file_, "database");
  ASSERT_TRUE(held.ok()) << held.status();
  const CareReport report = RepairState(state());
  EXPECT_EQ(report.exit_status, kCareFailed);
  EXPECT_THAT(report.text, HasSubstr("another torchlapd, pid "));
  EXPECT_EQ(CheckState(state()).exit_status, kCareFound) << "looking is allowed";
}

TEST_F(DatabaseCareTest, WithoutADatabaseItSaysWhereItLooked) {
  const std::filesystem::path nowhere = state() / "nowhere";
  for (const CareReport& report : {CheckState(nowhere), RepairState(nowhere)}) {
    EXPECT_EQ(report.exit_status, kCareFailed);
    EXPECT_THAT(report.text,
                HasSubstr("no database at " + (nowhere / "torchlap.db").string() + "; "));
  }
  EXPECT_FALSE(std::filesystem::exists(nowhere));
}

}  // namespace
}  // namespace torchlap::daemon
