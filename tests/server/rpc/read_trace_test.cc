#include "server/rpc/read_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/host/state_folders.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

class ReadTraceTest : public storage::StoreTest {
 protected:
  // The id of an OK run of purpose trace.
  std::string TracedRun() {
    storage::NewJob job = storage::MakeJob();
    job.spec.set_purpose(v1::PURPOSE_TRACE);
    const uint64_t id = RunToEnd(job);
    std::filesystem::create_directories(File(id).parent_path());
    return std::to_string(id) + ".1";
  }
  std::filesystem::path File(uint64_t job_id) const {
    return host::TraceFile(folder_.path(), std::to_string(job_id) + ".1");
  }
  absl::Status Read(const std::string& run_id) {
    v1::ReadTraceRequest request;
    request.set_run_id(run_id);
    data_.clear();
    return ReadTrace(runs_.get(), folder_.path())
        .Stream(ann_, request, [this](const v1::ReadTraceResponse& part) {
          data_ += part.data();
          return true;
        });
  }

  std::string data_;
};

TEST_F(ReadTraceTest, IsTheWholeFileInPieces) {
  const std::string id = TracedRun();
  const std::string trace(600'000, 't');
  std::ofstream(File(1), std::ios::binary) << trace;
  ASSERT_TRUE(Read(id).ok());
  EXPECT_EQ(data_, trace);
}

TEST_F(ReadTraceTest, WhatCannotBeReadIsNoShortTrace) {
  const std::string id = TracedRun();
  EXPECT_TRUE(absl::IsNotFound(Read(id))) << "no file";
  // A folder opens like a file, and fails when it is read.
  std::filesystem::create_directory(File(1));
  EXPECT_TRUE(absl::IsDataLoss(Read(id))) << Read(id);
}

TEST_F(ReadTraceTest, OfARunThatWasNotTracedIsNotFound) {
  RunToEnd(storage::MakeJob());
  EXPECT_TRUE(absl::IsNotFound(Read("1.1")));
  EXPECT_TRUE(absl::IsNotFound(Read("7.1")));
}

}  // namespace
}  // namespace torchlap::rpc
