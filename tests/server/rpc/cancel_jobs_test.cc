#include "server/rpc/cancel_jobs.h"

#include <SQLiteCpp/Database.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/run/device_fleet.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CancelJobsTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    fleet_.emplace(std::vector<std::unique_ptr<run::Place>>(), run::DispatcherSetting());
    cancel_.emplace(jobs_.get(), &*fleet_, &hub_, &SystemClock());
  }
  absl::Status Cancel(const v1::CancelJobsRequest& request) { return Cancel(request, root_); }
  absl::Status Cancel(const v1::CancelJobsRequest& request, const storage::Caller& caller) {
    response_.Clear();
    return cancel_->Answer(caller, request, &response_);
  }
  uint64_t SubmitAs(const storage::Caller& caller, const std::string& sweep_name = "") {
    const auto submitted =
        jobs_->Submit(caller, "", "", sweep_name, {storage::MakeJob()}, {}, ++now_ns_);
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    return submitted->job_ids[0];
  }
  static v1::CancelJobsRequest Of(const std::string& user) {
    v1::CancelJobsRequest request;
    request.set_user(user);
    return request;
  }

  run::EventHub hub_;
  std::optional<run::DeviceFleet> fleet_;
  std::optional<CancelJobs> cancel_;
  v1::CancelJobsResponse response_;
};

TEST_F(CancelJobsTest, OfAUserAllThatIsNotFinishedAndNobodyElses) {
  RunToEnd(storage::MakeJob());  // ann's
  const uint64_t anns = SubmitAs(ann_);
  const uint64_t bobs = SubmitAs(bob_);
  ASSERT_TRUE(Cancel(Of("ann")).ok());
  EXPECT_THAT(response_.cancelled_job_ids(), ElementsAre(anns));
  EXPECT_THAT(response_.finished_job_ids(), IsEmpty());
  EXPECT_EQ(Get(anns).reason(), "cancelled by root");
  ASSERT_TRUE(Cancel(Of("uid:1001")).ok());
  EXPECT_THAT(response_.cancelled_job_ids(), ElementsAre(bobs));
  EXPECT_EQ(Cancel(Of("ann")).message(), "ann has no unfinished job");
  EXPECT_TRUE(absl::IsNotFound(Cancel(Of("ann"))));
}

TEST_F(CancelJobsTest, AUserNarrowsASelector) {
  const uint64_t anns = SubmitAs(ann_);
  const uint64_t bobs = SubmitAs(bob_);
  v1::CancelJobsRequest request = Of("bob");
  request.mutable_selector()->add_job_ids(anns);
  EXPECT_EQ(Cancel(request).message(), "none of the chosen jobs is bob's");
  request.mutable_selector()->add_job_ids(bobs);
  ASSERT_TRUE(Cancel(request).ok());
  EXPECT_THAT(response_.cancelled_job_ids(), ElementsAre(bobs));
  EXPECT_EQ(Get(anns).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(CancelJobsTest, AnothersJobsAreNotForEverybodyToEnd) {
  SubmitAs(ann_);
  EXPECT_TRUE(absl::IsPermissionDenied(Cancel(Of("ann"), bob_)));
  EXPECT_TRUE(absl::IsInvalidArgument(Cancel(Of(""))));
}

TEST_F(CancelJobsTest, ANameOfSeveralSweepsEndsNone) {
  const uint64_t first = SubmitAs(ann_, "nightly");
  const uint64_t second = SubmitAs(ann_, "nightly");
  v1::CancelJobsRequest request;
  request.mutable_selector()->add_sweep_names("nightly");
  const absl::Status refused = Cancel(request);
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_EQ(refused.message(),
            "sweep:nightly is sweep:2, sweep:1, must be one of them by its number");
  EXPECT_EQ(Get(first).state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Get(second).state(), v1::JOB_STATE_QUEUED);
}

// Of a database from before such names were refused.
TEST_F(CancelJobsTest, ANumberIsTheIdOfASweepThoughAnotherHasItAsItsName) {
  const uint64_t of_id = SubmitAs(ann_);
  const uint64_t of_name = SubmitAs(ann_, "1");
  v1::CancelJobsRequest request;
  request.mutable_selector()->add_sweep_ids(1);
  ASSERT_TRUE(Cancel(request).ok());
  EXPECT_THAT(response_.cancelled_job_ids(), ElementsAre(of_id));
  EXPECT_EQ(Get(of_name).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(CancelJobsTest, JobsThatCannotBeReadAreSaidSoAndTheOthersEnd) {
  for (int i = 0; i < 4; ++i) SubmitAs(ann_);
  SQLite::Database(file_.string(), SQLite::OPEN_READWRITE, 10'000)
      .exec("UPDATE job SET spec = x'ff' WHERE id IN (1, 3)");
  v1::CancelJobsRequest request;
  request.mutable_selector()->add_job_ids(1);
  absl::Status refused = Cancel(request, ann_);
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_EQ(refused.message(), jobs_->Get(1).status().message()) << "with table and key";
  request.mutable_selector()->add_job_ids(3);
  refused = Cancel(request, ann_);
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), testing::StartsWith("none of 2 jobs can be read: "));
  request.mutable_selector()->add_job_ids(2);
  ASSERT_TRUE(Cancel(request, ann_).ok());
  EXPECT_THAT(response_.cancelled_job_ids(), ElementsAre(2));
}

}  // namespace
}  // namespace torchlap::rpc
