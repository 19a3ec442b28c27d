#include "storage/backup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Backup : public StoreTest {
 protected:
  // Names in the folder, but for the database and what SQLite keeps beside it.
  std::vector<std::string> Others() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename();
      if (name != "torchlap.db" && name != "torchlap.db-wal" && name != "torchlap.db-shm") {
        names.push_back(name);
      }
    }
    return names;
  }
  static std::string Read(const DatabaseCopy& copy) {
    std::string bytes(copy.bytes + 1, '\0');
    size_t size = 0;
    for (ssize_t got = 1; got > 0; size += static_cast<size_t>(got)) {
      got = ::read(copy.file.get(), bytes.data() + size, bytes.size() - size);
      if (got < 0) break;
    }
    bytes.resize(size);
    return bytes;
  }
};

TEST_F(Backup, ACopyIsADatabaseThatCanTakeThePlaceOfTheOther) {
  RunToEnd(MakeJob());
  const uint64_t waits = SubmitOne(MakeJob());
  auto copy = CopyDatabase(file_);
  ASSERT_TRUE(copy.ok()) << copy.status();
  struct stat facts = {};
  ASSERT_EQ(::fstat(copy->file.get(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_EQ(facts.st_nlink, 0U) << "it has no name any more";
  const std::string bytes = Read(*copy);
  ASSERT_EQ(bytes.size(), copy->bytes);
  EXPECT_TRUE(Others().empty());

  RunToEnd(MakeJob());
  Close();
  for (const char* ending : {"-wal", "-shm"}) fs::remove(file_.string() + ending);
  std::ofstream(file_, std::ios::binary | std::ios::trunc) << bytes;
  Reopen();
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1) << "as it was at that moment";
  EXPECT_EQ(Get(waits).state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Integrity(), "ok");
}

TEST_F(Backup, WhatIsOnlyInTheWalIsInTheCopy) {
  RunToEnd(MakeJob());
  EXPECT_GT(fs::file_size(file_.string() + "-wal"), 0U);
  const auto copy = CopyDatabase(file_);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ(Read(*copy).substr(0, 15), "SQLite format 3");
  EXPECT_TRUE(absl::IsNotFound(jobs_->Get(99).status())) << "the database is open as before";
}

TEST_F(Backup, WhatCannotBeCopiedLeavesNothing) {
  Close();
  std::ofstream(file_, std::ios::binary | std::ios::trunc) << std::string(8192, 'x');
  const auto copy = CopyDatabase(file_);
  EXPECT_TRUE(absl::IsDataLoss(copy.status())) << copy.status();
  EXPECT_TRUE(Others().empty());
  const auto none = CopyDatabase(folder_.path() / "none.db");
  EXPECT_FALSE(none.ok());
  EXPECT_FALSE(fs::exists(folder_.path() / "none.db"));
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("none.db"));
}

TEST_F(Backup, UnfinishedCopiesAreRemovedAndNothingElse) {
  for (const char* name :
       {"torchlap.db.unfinished-copy-Ab12Cd", "torchlap.db.unfinished-copy-Ab12Cd-journal",
        "torchlap.db.before-v5", "torchlap.db.backup-2026", "other.db.unfinished-copy-Ab12Cd"}) {
    std::ofstream(folder_.path() / name) << "x";
  }
  RemoveUnfinishedCopies(file_);
  EXPECT_THAT(Others(),
              testing::UnorderedElementsAre("torchlap.db.before-v5", "torchlap.db.backup-2026",
                                            "other.db.unfinished-copy-Ab12Cd"));
  RemoveUnfinishedCopies(folder_.path() / "no-folder" / "torchlap.db");
}

}  // namespace
}  // namespace torchlap::storage
