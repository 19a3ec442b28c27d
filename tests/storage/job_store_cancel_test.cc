#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class JobStoreCancel : public StoreTest {
 protected:
  v1::CancelJobsResponse Cancel(const std::vector<uint64_t>& ids, const Caller& caller) {
    absl::StatusOr<v1::CancelJobsResponse> response = jobs_->Cancel(ids, caller, ++now_ns_);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::CancelJobsResponse();
  }
};

TEST_F(JobStoreCancel, AQueuedJobIsCancelledNow) {
  const uint64_t id = SubmitOne(MakeJob("small", 3));
  EXPECT_THAT(Cancel({id}, ann_).cancelled_job_ids(), ElementsAre(id));
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Get(id).reason(), "cancelled by ann");
  EXPECT_EQ(Get(id).finished_at_ns(), now_ns_);
  EXPECT_TRUE(Heads().empty());
  EXPECT_EQ(jobs_->Start(id, 0, cpu0_, now_ns_).status().code(), absl::StatusCode::kAborted);
}

TEST_F(JobStoreCancel, ARunningJobIsCancelledWhenItsWorkerIsGone) {
  const uint64_t id = SubmitOne(MakeJob());
  const StartedRun started = Start(id);
  EXPECT_FALSE(*jobs_->CancelRequested(id));
  const v1::CancelJobsResponse response = Cancel({id}, ann_);
  EXPECT_THAT(response.cancelling_job_ids(), ElementsAre(id));
  EXPECT_THAT(response.cancelled_job_ids(), IsEmpty());
  EXPECT_TRUE(*jobs_->CancelRequested(id));
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Get(id).reason(), "") << "it is not finished";
  EXPECT_EQ(Finish(Ended(started, v1::OUTCOME_CANCELLED), JobCancelled("")),
            v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Get(id).reason(), "cancelled by ann");
}

TEST_F(JobStoreCancel, TheWishComesBeforeAnotherTry) {
  const uint64_t out_of_memory = SubmitOne(MakeJob());
  const uint64_t interrupted = SubmitOne(MakeJob());
  const StartedRun first = Start(out_of_memory);
  const StartedRun second = Start(interrupted);
  Cancel({out_of_memory, interrupted}, ann_);
  EXPECT_EQ(Finish(Ended(first, v1::OUTCOME_OUT_OF_MEMORY), TryAgain(2, 256)),
            v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Finish(Ended(second, v1::OUTCOME_INTERRUPTED), Interrupted()), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(Heads().empty());
}

TEST_F(JobStoreCancel, TheWishSurvivesTheDaemon) {
  const uint64_t id = SubmitOne(MakeJob());
  Start(id);
  Cancel({id}, ann_);
  Reopen();
  ASSERT_TRUE(jobs_->RecoverInterrupted(++now_ns_).ok());
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Get(id).runs(0).outcome(), v1::OUTCOME_INTERRUPTED);
  EXPECT_TRUE(Heads().empty());
}

TEST_F(JobStoreCancel, AJobThatSucceededBeforeItsWorkerWasEndedStaysSucceeded) {
  const uint64_t id = SubmitOne(MakeJob());
  const StartedRun started = Start(id);
  Cancel({id}, ann_);
  EXPECT_EQ(Finish(Ended(started), LaunchDone()), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(JobStoreCancel, ALaunchThatIsDoneAfterTheWishDoesNotBringTheOthersBack) {
  const uint64_t id = SubmitOne(MakeJob("small", 3));
  const StartedRun started = Start(id);
  Cancel({id}, ann_);
  EXPECT_EQ(Finish(Ended(started), LaunchDone()), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Get(id).launches_done(), 1u);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM launch"), 0);
}

TEST_F(JobStoreCancel, AFinishedJobIsNamedAsFinished) {
  const uint64_t id = RunToEnd(MakeJob());
  EXPECT_THAT(Cancel({id}, ann_).finished_job_ids(), ElementsAre(id));
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(JobStoreCancel, AJobOfAnotherIsRefusedAndNothingIsChanged) {
  const uint64_t anns = SubmitOne(MakeJob());
  const uint64_t bobs =
      jobs_->Submit(bob_, "", "", "", {MakeJob()}, {0}, ++now_ns_).value().job_ids[0];
  const absl::Status status = jobs_->Cancel({anns, bobs}, ann_, ++now_ns_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("job " + std::to_string(bobs)));
  EXPECT_THAT(std::string(status.message()), HasSubstr("bob"));
  EXPECT_EQ(Get(anns).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(JobStoreCancel, AnAdminMayCancelTheJobsOfOthers) {
  const uint64_t id = SubmitOne(MakeJob());
  EXPECT_THAT(Cancel({id}, root_).cancelled_job_ids(), ElementsAre(id));
  EXPECT_EQ(Get(id).reason(), "cancelled by root");
}

TEST_F(JobStoreCancel, AJobThatIsNotThereIsNotFound) {
  const absl::Status status = jobs_->Cancel({77}, ann_, now_ns_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "there is no job 77");
  EXPECT_EQ(jobs_->CancelRequested(77).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace torchlap::storage
