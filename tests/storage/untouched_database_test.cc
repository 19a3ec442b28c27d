// Looking at a database changes neither it nor its folder.
#include "storage/untouched_database.h"

#include <SQLiteCpp/Database.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "storage/database_check.h"
#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// Of every file of a folder: bytes, time of the last change, mode.
std::map<std::string, std::string> Picture(const fs::path& folder) {
  std::map<std::string, std::string> picture;
  for (const auto& entry : fs::directory_iterator(folder)) {
    struct stat facts = {};
    EXPECT_EQ(::stat(entry.path().c_str(), &facts), 0);
    picture[entry.path().filename()] = std::to_string(facts.st_mtim.tv_sec) + "." +
                                       std::to_string(facts.st_mtim.tv_nsec) + " " +
                                       std::to_string(facts.st_mode) + " " + Contents(entry.path());
  }
  return picture;
}

class UntouchedDatabaseTest : public StoreTest {
 protected:
  // As a daemon that was killed leaves it: what was written last is in the WAL alone.
  void LeaveWithWal() {
    const std::string wal = Contents(file_.string() + "-wal");
    const std::string before = Contents(file_);
    ASSERT_GT(wal.size(), 0U);
    Close();
    std::ofstream(file_, std::ios::binary) << before;
    std::ofstream(file_.string() + "-wal", std::ios::binary) << wal;
  }
  // While nobody may write into the folder; root may, and sees that nothing changes all the same.
  DatabaseFindings CheckWithoutTouch() {
    fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec);
    const auto before = Picture(folder_.path());
    const auto findings = CheckFile(file_);
    EXPECT_TRUE(findings.ok()) << findings.status();
    EXPECT_EQ(Picture(folder_.path()), before);
    fs::permissions(folder_.path(), fs::perms::owner_all);
    return findings.ok() ? *findings : DatabaseFindings();
  }
};

TEST_F(UntouchedDatabaseTest, AFileWithoutAWalIsReadAsItLies) {
  SubmitOne(MakeJob());
  Close();
  EXPECT_TRUE(CheckWithoutTouch().empty());
  EXPECT_THAT(UntouchedDatabase::Find(file_)->uri(), HasSubstr("immutable=1"));
  Break("DELETE FROM launch");
  EXPECT_THAT(CheckWithoutTouch().inconsistent, Contains(HasSubstr("has no launch")));
}

TEST_F(UntouchedDatabaseTest, WhatIsInTheWalAloneIsSeenToo) {
  SubmitOne(MakeJob());
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    Execute(database, "DELETE FROM launch");
                    return absl::OkStatus();
                  })
                  .ok());
  LeaveWithWal();
  EXPECT_THAT(CheckWithoutTouch().inconsistent, Contains(HasSubstr("has no launch")));
}

TEST_F(UntouchedDatabaseTest, TheCopyIsAsPrivateAsTheFileAndGoes) {
  SubmitOne(MakeJob());
  LeaveWithWal();
  fs::path copy;
  {
    const auto database = UntouchedDatabase::Find(file_);
    ASSERT_TRUE(database.ok()) << database.status();
    const std::string uri = database->uri();
    copy = uri.substr(5, uri.find('?') - 5);
    EXPECT_NE(copy, file_);
    EXPECT_EQ(fs::status(copy.parent_path()).permissions(), fs::perms::owner_all);
    EXPECT_EQ(fs::status(copy).permissions() & fs::perms::all,
              fs::perms::owner_read | fs::perms::owner_write);
  }
  EXPECT_FALSE(fs::exists(copy.parent_path()));
}

TEST_F(UntouchedDatabaseTest, AFileThatAnotherProcessHasIsReadBesideIt) {
  SubmitOne(MakeJob());
  Close();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto database = Database::Open(file_);
    if (!database.ok()) ::_exit(1);
    JobStore jobs(database->get(), "boot", 0);
    if (!jobs.Submit(ann_, "", "", "", {MakeJob()}, {0}, 5).ok()) ::_exit(2);
    if (::write(ends[1], "x", 1) != 1) ::_exit(3);
    for (;;) ::pause();
  }
  ::close(ends[1]);
  char ready = 0;
  ASSERT_EQ(::read(ends[0], &ready, 1), 1);
  ::close(ends[0]);
  const std::string before = Contents(file_);
  const fs::file_time_type changed = fs::last_write_time(file_);
  EXPECT_EQ(UntouchedDatabase::Find(file_)->uri(), UriOf(file_, "mode=ro"));
  const auto findings = CheckFile(file_);
  EXPECT_TRUE(findings.ok() && findings->empty()) << findings.status();
  EXPECT_EQ(Contents(file_), before);
  EXPECT_EQ(fs::last_write_time(file_), changed);
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
}

TEST_F(UntouchedDatabaseTest, WhoeverWritesBesideWhatIsReadAsItLiesIsSeen) {
  SubmitOne(MakeJob());
  Close();
  const std::function<void()> changes[] = {
      [&] { Break("DELETE FROM launch"); },
      [&] { std::ofstream(file_.string() + "-wal", std::ios::binary) << "more"; },
      [&] { fs::resize_file(file_.string() + "-wal", 2); },
      [&] { fs::remove(file_.string() + "-wal"); },
      [&] { fs::last_write_time(file_, fs::last_write_time(file_) + std::chrono::seconds(1)); }};
  for (const auto& change : changes) {
    // Clocks of files are coarse.
    fs::last_write_time(file_, fs::last_write_time(file_) - std::chrono::hours(1));
    auto database = UntouchedDatabase::Find(file_);
    ASSERT_TRUE(database.ok()) << database.status();
    EXPECT_FALSE(database->HasChanged());
    change();
    EXPECT_TRUE(database->HasChanged());
    const UntouchedDatabase moved = *std::move(database);
    EXPECT_TRUE(moved.HasChanged());
  }
  EXPECT_FALSE(UntouchedDatabase::Find(file_)->HasChanged());
}

TEST_F(UntouchedDatabaseTest, InPlaceTheWalIsReadWithoutRoomForACopy) {
  SubmitOne(MakeJob());
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    Execute(database, "DELETE FROM launch");
                    return absl::OkStatus();
                  })
                  .ok());
  LeaveWithWal();
  const std::string before = Contents(file_);
  const std::string wal = Contents(file_.string() + "-wal");
  // No room elsewhere: there is nowhere to copy it to.
  const char* const temporary = ::getenv("TMPDIR");
  const std::string old = temporary == nullptr ? "" : temporary;
  ::setenv("TMPDIR", (folder_.path() / "nowhere").c_str(), 1);
  const auto findings = CheckInPlace(file_);
  if (old.empty()) {
    ::unsetenv("TMPDIR");
  } else {
    ::setenv("TMPDIR", old.c_str(), 1);
  }
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(findings->inconsistent, Contains(HasSubstr("has no launch")));
  EXPECT_EQ(Contents(file_), before);
  EXPECT_EQ(Contents(file_.string() + "-wal"), wal) << "not written into the file";
}

TEST_F(UntouchedDatabaseTest, WhatIsNotThereOrMayNotBeReadIsSaidSo) {
  Close();
  EXPECT_EQ(CheckFile(folder_.path() / "other.db").status().code(), absl::StatusCode::kNotFound);
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  fs::permissions(file_, fs::perms::none);
  const absl::Status status = CheckFile(file_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be read (Permission denied)"));
}

TEST(UriOf, WhatMeansSomethingInAUriIsWrittenOut) {
  EXPECT_EQ(UriOf("/a b/50%?#.db", "mode=ro"), "file:/a b/50%25%3f%23.db?mode=ro");
}

}  // namespace
}  // namespace torchlap::storage
