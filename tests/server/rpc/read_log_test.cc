#include "server/rpc/read_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

#include "server/host/state_folders.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

class ReadLogTest : public storage::StoreTest {
 protected:
  std::filesystem::path File(const std::string& run_id) const {
    const std::filesystem::path file = host::LogFile(folder_.path(), run_id);
    std::filesystem::create_directories(file.parent_path());
    return file;
  }
  absl::Status Read(const std::string& run_id) {
    v1::ReadLogRequest request;
    request.set_run_id(run_id);
    data_.clear();
    return ReadLog(runs_.get(), folder_.path())
        .Stream(ann_, request, [this](const v1::ReadLogResponse& part) {
          EXPECT_LE(part.data().size(), size_t{256} * 1024);
          data_ += part.data();
          return takes_more_;
        });
  }

  std::string data_;
  bool takes_more_ = true;
};

TEST_F(ReadLogTest, IsTheWholeFileInPiecesByteForByte) {
  RunToEnd(storage::MakeJob());
  std::string log(600'000, 'l');
  log += "\x1b[2J\xff\n";
  log += '\0';
  std::ofstream(File("1.1"), std::ios::binary) << log;
  ASSERT_TRUE(Read("1.1").ok());
  EXPECT_EQ(data_, log);
  takes_more_ = false;
  EXPECT_TRUE(absl::IsCancelled(Read("1.1")));
}

TEST_F(ReadLogTest, OfARunThatIsNotFinishedIsWhatItWroteSoFar) {
  Start(SubmitOne(storage::MakeJob()));
  EXPECT_EQ(Read("1.1"), absl::NotFoundError("run 1.1 has no log yet: it has only begun"));
  std::ofstream(File("1.1")) << "loading\n";
  ASSERT_TRUE(Read("1.1").ok());
  EXPECT_EQ(data_, "loading\n");
}

TEST_F(ReadLogTest, WhatIsNotThereIsSaid) {
  RunToEnd(storage::MakeJob());
  EXPECT_EQ(Read("1.1"), absl::NotFoundError("run 1.1 has no log any more: its file is not there"));
  EXPECT_EQ(Read("1.2"), absl::NotFoundError("there is no run 1.2"));
  EXPECT_TRUE(absl::IsInvalidArgument(Read("../1.1")));
  std::ofstream(File("1.1")).close();
  EXPECT_TRUE(Read("1.1").ok()) << "an empty log is one";
  EXPECT_EQ(data_, "");
}

TEST_F(ReadLogTest, WhatCannotBeReadIsNoShortLog) {
  RunToEnd(storage::MakeJob());
  // A folder opens like a file, and fails when it is read.
  std::filesystem::create_directory(File("1.1"));
  EXPECT_TRUE(absl::IsDataLoss(Read("1.1"))) << Read("1.1");
}

TEST_F(ReadLogTest, ASkippedRunNeverHadOne) {
  RunToEnd(storage::MakeJob(), v1::OUTCOME_SKIPPED);
  EXPECT_EQ(Read("1.1"),
            absl::NotFoundError("run 1.1 has no log: it was skipped, without a worker"));
}

}  // namespace
}  // namespace torchlap::rpc
