#include "storage/queue_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::HasSubstr;

constexpr QueueLimits kLimits{
    .jobs = 1000, .launches = 2000, .launches_per_user = 1500, .share = 10};

std::string Refusal(const QueueUse& queued, const QueueAmount& asked, bool is_admin = false) {
  const absl::Status status = CheckRoom(kLimits, queued, asked, "ann", is_admin);
  if (status.ok()) return "";
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  return std::string(status.message());
}

TEST(QueueLimitsTest, AnEmptyQueueTakesWhatAUserMayHave) {
  EXPECT_EQ(Refusal({}, {1, 1}), "");
  EXPECT_EQ(Refusal({}, {3, 1500}), "");
  EXPECT_EQ(
      Refusal({}, {10'000, 10'000'000}),
      "ann has 0 launches queued and asks for 10000000 launches (10000 jobs), must be at most "
      "1500 together (max_queued_launches_per_user)");
  EXPECT_EQ(Refusal({{1, 1490}, 1490}, {1, 11}),
            "ann has 1490 launches queued and asks for 11 launches (1 job), must be at most 1500 "
            "together (max_queued_launches_per_user)");
  EXPECT_EQ(Refusal({{1, 1490}, 1490}, {1, 10}), "");
}

TEST(QueueLimitsTest, WhatEverybodyHasIsCountedTogether) {
  EXPECT_EQ(Refusal({{20, 1700}, 0}, {1, 100}), "");
  EXPECT_EQ(
      Refusal({{20, 1700}, 0}, {2, 101}),
      "1700 launches are queued and 101 launches (2 jobs) are asked for, must be at most 1800 "
      "together (max_queued_launches, less 200 for admins)");
  EXPECT_EQ(Refusal({{990, 990}, 0}, {11, 11}),
            "990 jobs are queued and 11 are asked for, must be at most 1000 together "
            "(max_queued_jobs)");
}

TEST(QueueLimitsTest, NobodyElseTakesAUsersShare) {
  for (const uint64_t queued : {1800U, 2000U, 5000U}) {
    EXPECT_EQ(Refusal({{1000, queued}, 0}, {10, 10}), "") << queued;
    EXPECT_EQ(Refusal({{1000, queued}, 9}, {1, 1}), "") << queued;
    EXPECT_THAT(Refusal({{1000, queued}, 10}, {1, 1}), HasSubstr("max_queued_launches")) << queued;
    EXPECT_THAT(Refusal({{1000, queued}, 0}, {1, 11}), HasSubstr("max_queued_launches")) << queued;
  }
}

TEST(QueueLimitsTest, AdminsHaveAReserveAndNoLimitOfTheirOwn) {
  EXPECT_EQ(Refusal({{20, 1800}, 1600}, {1, 200}, true), "");
  EXPECT_EQ(Refusal({{20, 1800}, 1600}, {1, 201}, true),
            "1800 launches are queued and 201 launches (1 job) are asked for, must be at most 2000 "
            "together (max_queued_launches)");
}

TEST(QueueLimitsTest, NoLimitIsNone) {
  EXPECT_TRUE(
      CheckRoom({}, {{1'000'000, 9'000'000}, 9'000'000}, {1'000'000, ~uint64_t{0}}, "ann", false)
          .ok());
}

class QueueRoomTest : public StoreTest {
 protected:
  absl::Status SubmitOf(const Caller& caller, std::vector<NewJob> jobs,
                        const std::string& request_id = "") {
    return jobs_->Submit(caller, request_id, "digest", "", jobs, {42}, ++now_ns_).status();
  }
};

TEST_F(QueueRoomTest, LaunchesAreCountedWithWhatIsLeftOfThem) {
  Reopen(QueueLimits{.launches_per_user = 5});
  NewJob traced = MakeJob("small", 3);
  traced.spec.mutable_plan()->set_trace(true);
  traced.device_key = "uuid:CPU-0";
  const uint64_t job = SubmitOne(traced);
  EXPECT_TRUE(SubmitOf(ann_, {MakeJob()}).ok()) << "4 and 1";
  EXPECT_THAT(std::string(SubmitOf(ann_, {MakeJob()}).message()),
              HasSubstr("ann has 5 launches queued and asks for 1 launches (1 job)"));
  EXPECT_TRUE(SubmitOf(bob_, {MakeJob("small", 5)}).ok()) << "everyone has a limit of their own";
  Finish(Ended(Start(job)), LaunchDone());
  EXPECT_TRUE(SubmitOf(ann_, {MakeJob()}).ok()) << "one is done";
  EXPECT_FALSE(SubmitOf(ann_, {MakeJob()}).ok());
  ASSERT_TRUE(jobs_->Cancel({job}, ann_, ++now_ns_).ok());
  EXPECT_TRUE(SubmitOf(ann_, {MakeJob("small", 3)}).ok()) << "three are gone";
  EXPECT_FALSE(SubmitOf(ann_, {MakeJob()}).ok());
}

TEST_F(QueueRoomTest, AFullQueueHasRoomForWhoHasNothingThere) {
  Reopen(QueueLimits{.jobs = 2, .launches = 20, .share = 2});
  EXPECT_TRUE(SubmitOf(ann_, {MakeJob("small", 9), MakeJob("small", 9)}).ok());
  EXPECT_FALSE(SubmitOf(ann_, {MakeJob()}).ok());
  EXPECT_TRUE(SubmitOf(bob_, {MakeJob("small", 2)}).ok());
  EXPECT_FALSE(SubmitOf(bob_, {MakeJob()}).ok());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM launch"), 20);
}

TEST_F(QueueRoomTest, ItIsSaidBeforeAnythingIsStored) {
  Reopen(QueueLimits{.launches_per_user = 100});
  const QueueAmount huge{10'000, 10'000'000};
  EXPECT_EQ(jobs_->CheckRoomFor(ann_, "", huge).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(jobs_->CheckRoomFor(ann_, "r1", huge).code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(SubmitOf(ann_, {MakeJob("small", 100)}, "r1").ok());
  EXPECT_TRUE(jobs_->CheckRoomFor(ann_, "r1", huge).ok()) << "it has an answer";
  EXPECT_FALSE(jobs_->CheckRoomFor(ann_, "r2", {1, 1}).ok());
  EXPECT_FALSE(jobs_->CheckRoomFor(bob_, "r1", huge).ok());
  EXPECT_TRUE(jobs_->CheckRoomFor(bob_, "r1", {1, 100}).ok());
}

}  // namespace
}  // namespace torchlap::storage
