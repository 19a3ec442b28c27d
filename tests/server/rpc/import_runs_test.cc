#include "server/rpc/import_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "storage/import_runs.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;

class ImportRunsTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    RunToEnd(storage::MakeJob());
    EXPECT_TRUE(storage::StoreHost(database_.get(), "lab2").ok());
    Close();
    content_ = storage::Contents(file_);
    file_ = folder_.path() / "own.db";
    state_ = folder_.path() / "state";
    std::filesystem::create_directory(state_);
    Reopen();
    call_.emplace(database_.get(), state_, &clock_);
  }
  absl::StatusOr<v1::ImportRunsResponse> Ask(const v1::ImportRunsRequest& request,
                                             const storage::Caller& caller) {
    v1::ImportRunsResponse response;
    absl::Status status = call_->Answer(caller, request, &response);
    if (!status.ok()) return status;
    return response;
  }
  static v1::ImportRunsRequest Piece(const std::string& id, uint64_t offset,
                                     const std::string& data, bool complete = false) {
    v1::ImportRunsRequest request;
    request.set_upload_id(id);
    request.set_offset(offset);
    request.set_data(data);
    request.set_complete(complete);
    return request;
  }
  bool IsStateEmpty() const { return std::filesystem::is_empty(state_); }

  std::string content_;
  std::filesystem::path state_;
  SettableClock clock_;
  std::optional<ImportRuns> call_;
};

TEST_F(ImportRunsTest, PiecesMakeAFileWhoseRunsAreTakenIn) {
  const size_t half = content_.size() / 2;
  const auto first = Ask(Piece("a", 0, content_.substr(0, half)), root_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->received_bytes(), half);
  EXPECT_FALSE(IsStateEmpty());
  const auto last = Ask(Piece("a", half, content_.substr(half), true), root_);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->runs(), 1U);
  EXPECT_EQ(last->jobs(), 1U);
  EXPECT_EQ(last->host(), "lab2");
  EXPECT_EQ(last->received_bytes(), content_.size());
  EXPECT_TRUE(IsStateEmpty());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
}

TEST_F(ImportRunsTest, IsForAdminsAlone) {
  const auto answer = Ask(Piece("a", 0, content_, true), ann_);
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 0);
}

TEST_F(ImportRunsTest, PiecesOutOfOrderAreRefusedAndForgotten) {
  ASSERT_TRUE(Ask(Piece("a", 0, content_.substr(0, 100)), root_).ok());
  const auto gap = Ask(Piece("a", 200, "x"), root_);
  EXPECT_EQ(gap.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(gap.status().message(), HasSubstr("must be 100"));
  EXPECT_TRUE(IsStateEmpty());
  EXPECT_EQ(Ask(Piece("b", 7, "x"), root_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ImportRunsTest, OneAtATimeUntilItIsGivenUp) {
  ASSERT_TRUE(Ask(Piece("a", 0, content_.substr(0, 100)), root_).ok());
  EXPECT_EQ(Ask(Piece("b", 0, content_, true), root_).status().code(),
            absl::StatusCode::kResourceExhausted);
  clock_.Advance(kImportIdleNs);
  const auto later = Ask(Piece("b", 0, content_, true), root_);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_EQ(later->runs(), 1U);
  EXPECT_TRUE(IsStateEmpty());
}

TEST_F(ImportRunsTest, AFileThatIsNoDatabaseLeavesNothing) {
  const auto answer = Ask(Piece("a", 0, "no database", true), root_);
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(IsStateEmpty());
}

TEST_F(ImportRunsTest, WhatIsAskedIsChecked) {
  v1::ImportRunsRequest request = Piece("", 0, content_, true);
  EXPECT_EQ(Ask(request, root_).status().code(), absl::StatusCode::kInvalidArgument);
  request = Piece("a", 0, std::string(kMostImportPieceBytes + 1, 'x'));
  EXPECT_EQ(Ask(request, root_).status().code(), absl::StatusCode::kInvalidArgument);
  request = Piece("a", 0, content_, true);
  request.set_host("lab\x1b[2J");
  EXPECT_EQ(Ask(request, root_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(IsStateEmpty());
}

TEST_F(ImportRunsTest, AHostIsAPlainWord) {
  for (const char* host : {"a b", "a@b", "lab1,lab2", "../x", "here", "..", "l\u00e4b"}) {
    v1::ImportRunsRequest request = Piece("a", 0, content_, true);
    request.set_host(host);
    const auto answer = Ask(request, root_);
    EXPECT_EQ(answer.status().code(), absl::StatusCode::kInvalidArgument) << host;
    EXPECT_THAT(answer.status().message(), HasSubstr("host is ")) << host;
  }
  v1::ImportRunsRequest request = Piece("a", 0, content_, true);
  request.set_host(std::string(64, 'x'));
  EXPECT_FALSE(Ask(request, root_).ok());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 0);
  request.set_host("gpu-1.lab_2");
  const auto answer = Ask(request, root_);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->host(), "gpu-1.lab_2");
}

TEST_F(ImportRunsTest, WhatAKilledDaemonLeftIsRemoved) {
  std::filesystem::create_directory(state_ / "import-abc123");
  std::filesystem::create_directory(state_ / "logs");
  RemoveUnfinishedImports(state_);
  EXPECT_FALSE(std::filesystem::exists(state_ / "import-abc123"));
  EXPECT_TRUE(std::filesystem::exists(state_ / "logs"));
}

}  // namespace
}  // namespace torchlap::rpc
