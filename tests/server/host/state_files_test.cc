#include "server/host/state_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

namespace fs = std::filesystem;

class StateFilesTest : public testing::Test {
 protected:
  StateFilesTest() {
    fs::create_directory(state_);
    Write(database_);
    Write(lock_);
  }
  static void Write(const fs::path& file) { std::ofstream(file) << "x"; }

  TemporaryFolder folder_;
  const fs::path state_ = folder_.path() / "state";
  const fs::path database_ = state_ / "torchlap.db";
  const fs::path lock_ = state_ / "torchlap.db.lock";
};

TEST_F(StateFilesTest, FilesInPlaceAreNoProblemWhateverIsWrittenToThem) {
  const StateFiles files({database_, lock_});
  EXPECT_EQ(files.Problem(), "");
  std::ofstream(database_, std::ios::app) << "more";
  EXPECT_EQ(files.Problem(), "");
}

TEST_F(StateFilesTest, ADeletedOneIsNamedWhicheverItIs) {
  for (const fs::path& gone : {database_, lock_}) {
    const StateFiles files({database_, lock_});
    fs::remove(gone);
    EXPECT_EQ(files.Problem(), gone.string() + " was deleted while the daemon has it open");
    Write(gone);
  }
}

TEST_F(StateFilesTest, ADeletedFolderIsSeenAndSoIsOneThatWasMadeAnew) {
  const StateFiles files({database_, lock_});
  fs::rename(state_, folder_.path() / "moved");
  EXPECT_EQ(files.Problem(), database_.string() + " was deleted while the daemon has it open");
  // Restored from a backup: the same bytes, another file.
  fs::create_directory(state_);
  fs::copy_file(folder_.path() / "moved" / "torchlap.db", database_);
  fs::copy_file(folder_.path() / "moved" / "torchlap.db.lock", lock_);
  EXPECT_EQ(files.Problem(),
            database_.string() + " was replaced while the daemon has the old one open");
  fs::remove_all(state_);
  fs::rename(folder_.path() / "moved", state_);
  EXPECT_EQ(files.Problem(), "") << "moved back";
}

}  // namespace
}  // namespace torchlap::host
