#include "server/rpc/backup_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "storage/database_check.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;

class BackupDatabaseTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    call_.emplace(database_.get(), jobs_.get(), runs_.get());
  }
  size_t FilesBesideTheDatabase() {
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      files +=
          entry.path().filename().string().find("unfinished-copy") != std::string::npos ? 1 : 0;
    }
    return files;
  }
  std::optional<BackupDatabase> call_;
};

TEST_F(BackupDatabaseTest, ThePiecesAreADatabaseAndTheFirstSaysHowLongItIs) {
  RunToEnd(storage::MakeJob());
  std::string bytes;
  uint64_t total = 0;
  const absl::Status status = call_->Stream(root_, {}, [&](const v1::BackupDatabaseResponse& part) {
    EXPECT_EQ(part.total_bytes() > 0, bytes.empty());
    EXPECT_LE(part.data().size(), 256U * 1024);
    total += part.total_bytes();
    bytes += part.data();
    EXPECT_EQ(FilesBesideTheDatabase(), 0U) << "it has no name while it is sent";
    return true;
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(bytes.size(), total);
  const std::filesystem::path copy = folder_.path() / "copy.db";
  std::ofstream(copy, std::ios::binary) << bytes;
  const auto findings = storage::CheckFile(copy);
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_TRUE(findings->empty());
  auto opened = storage::Database::Open(copy);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(storage::RunStore(opened->get()).Get("1.1").ok());
}

TEST_F(BackupDatabaseTest, IsForAdminsAlone) {
  int parts = 0;
  const absl::Status status = call_->Stream(ann_, {}, [&](const v1::BackupDatabaseResponse&) {
    ++parts;
    return true;
  });
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("ann may not copy the database"));
  EXPECT_EQ(parts, 0);
}

TEST_F(BackupDatabaseTest, OneIsMadeAtATimeAndAReaderThatGoesLetsTheNextBegin) {
  absl::Status within;
  const absl::Status status = call_->Stream(root_, {}, [&](const v1::BackupDatabaseResponse&) {
    within = call_->Stream(root_, {}, [](const v1::BackupDatabaseResponse&) { return true; });
    return false;
  });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_TRUE(absl::IsResourceExhausted(within)) << within;
  EXPECT_EQ(FilesBesideTheDatabase(), 0U);
  EXPECT_TRUE(
      call_->Stream(root_, {}, [](const v1::BackupDatabaseResponse&) { return true; }).ok());
}

}  // namespace
}  // namespace torchlap::rpc
