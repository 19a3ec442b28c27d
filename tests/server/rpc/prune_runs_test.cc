#include "server/rpc/prune_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;

class PruneRunsTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    call_.emplace(database_.get(), jobs_.get(), runs_.get());
  }
  absl::StatusOr<v1::PruneRunsResponse> Ask(const v1::PruneRunsRequest& request,
                                            const storage::Caller& caller) {
    v1::PruneRunsResponse response;
    absl::Status status = call_->Answer(caller, request, &response);
    if (!status.ok()) return status;
    return response;
  }
  static v1::PruneRunsRequest OfJob(uint64_t job_id) {
    v1::PruneRunsRequest request;
    request.mutable_runs()->mutable_selector()->add_job_ids(job_id);
    return request;
  }
  std::optional<PruneRuns> call_;
};

TEST_F(PruneRunsTest, SaysWhatItDeletedAndHowLargeTheFileIs) {
  const uint64_t job = RunToEnd(storage::MakeJob());
  RunToEnd(storage::MakeJob());
  v1::PruneRunsRequest request = OfJob(job);
  request.set_samples_before_ns(now_ns_ + 1);
  request.set_dry_run(true);
  const auto counted = Ask(request, root_);
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_EQ(counted->runs(), 1U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 2) << "it was only counted";
  EXPECT_EQ(counted->database_bytes_before(), counted->database_bytes_after());
  request.set_dry_run(false);
  const auto deleted = Ask(request, root_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(deleted->runs(), 1U);
  EXPECT_EQ(deleted->samples(), 1U) << "of the run that stays";
  EXPECT_GT(deleted->database_bytes_before(), 0U);
  EXPECT_EQ(deleted->database_bytes_after(), database_->size_bytes());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sample"), 0);
}

TEST_F(PruneRunsTest, IsForAdminsAlone) {
  const uint64_t job = RunToEnd(storage::MakeJob());
  const absl::Status status = Ask(OfJob(job), ann_).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("ann may not delete runs"));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
}

TEST_F(PruneRunsTest, WhatNamesNothingIsRefused) {
  RunToEnd(storage::MakeJob());
  v1::PruneRunsRequest request;
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(request, root_).status()));
  request.mutable_runs();
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(request, root_).status()));
  request.mutable_runs()->mutable_selector();
  request.mutable_runs()->set_include_invalid(true);
  request.mutable_runs()->set_until_ns(now_ns_ + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(request, root_).status()));
  // Also beside samples.
  request.set_samples_before_ns(now_ns_ + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(request, root_).status()));
  v1::PruneRunsRequest negative;
  negative.set_samples_before_ns(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(negative, root_).status()));
  EXPECT_TRUE(absl::IsNotFound(Ask(OfJob(99), root_).status()));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sample"), 1);
}

TEST_F(PruneRunsTest, SaysWhyAllThatWasChosenStays) {
  const uint64_t job = SubmitOne(storage::MakeJob("small", 2));
  Finish(storage::Ended(Start(job)), storage::LaunchDone());
  EXPECT_EQ(
      Ask(OfJob(job), root_).status(),
      absl::FailedPreconditionError("all 1 chosen runs stay: 1 of jobs that are not finished"));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run"), 1);
}

TEST_F(PruneRunsTest, WhatMatchesNothingDeletesNothing) {
  RunToEnd(storage::MakeJob());
  v1::PruneRunsRequest request;
  request.set_samples_before_ns(1);
  const auto answer = Ask(request, root_);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->runs() + answer->samples(), 0U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sample"), 1);
}

}  // namespace
}  // namespace torchlap::rpc
