#include "server/rpc/list_jobs.h"

#include <SQLiteCpp/Database.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/rpc/list_runs.h"
#include "server/rpc/page_size.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

class ListTest : public storage::StoreTest {
 protected:
  ListTest() : fleet_(std::vector<std::unique_ptr<run::Place>>(), run::DispatcherSetting{}) {}

  // A finished job whose reason, and whose run's failure, have a MiB each.
  void RunLarge() {
    const std::string mebibyte(1 << 20, 'x');
    storage::FinishedRun finished =
        storage::Ended(Start(SubmitOne(storage::MakeJob())), v1::OUTCOME_CRASHED);
    finished.run.mutable_failure()->set_detail(mebibyte);
    Finish(finished, storage::JobFailed(mebibyte));
  }

  run::DeviceFleet fleet_;
};

TEST_F(ListTest, APageOfJobsIsCutByBytesAndTheNextGoesOn) {
  for (int i = 0; i < 20; ++i) RunLarge();
  v1::ListJobsRequest request;
  const Waiting waiting(jobs_.get());
  std::vector<uint64_t> ids;
  do {
    v1::ListJobsResponse response;
    ASSERT_TRUE(ListJobs(jobs_.get(), &fleet_, &waiting).Answer(ann_, request, &response).ok());
    EXPECT_LE(response.ByteSizeLong(), kMaxPageBytes + 1000);
    for (const v1::Job& job : response.jobs()) ids.push_back(job.job_id());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  ASSERT_EQ(ids.size(), 20U);
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(ids[i], i + 1);
}

TEST_F(ListTest, APageOfRunsIsCutByBytesAndTheNextGoesOn) {
  for (int i = 0; i < 20; ++i) RunLarge();
  for (const bool ascending : {true, false}) {
    v1::ListRunsRequest request;
    request.set_ascending(ascending);
    std::vector<uint64_t> ids;
    do {
      v1::ListRunsResponse response;
      ASSERT_TRUE(ListRuns(jobs_.get(), runs_.get()).Answer(ann_, request, &response).ok());
      EXPECT_LE(response.ByteSizeLong(), kMaxPageBytes + 1000);
      for (const v1::Run& run : response.runs()) ids.push_back(run.job_id());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    ASSERT_EQ(ids.size(), 20U);
    for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(ids[i], ascending ? i + 1 : 20 - i);
  }
}

TEST_F(ListTest, EachJobAndRunThatCannotBeReadIsCountedOnce) {
  for (int i = 0; i < 7; ++i) RunToEnd(storage::MakeJob());
  SQLite::Database(file_.string(), SQLite::OPEN_READWRITE, 10'000)
      .exec("UPDATE job SET spec = x'ff' WHERE id IN (1, 3, 4, 7)");
  const Waiting waiting(jobs_.get());
  for (const uint32_t page_size : {1, 2, 3, 100}) {
    SCOPED_TRACE(page_size);
    v1::ListJobsRequest jobs;
    jobs.set_page_size(page_size);
    std::vector<uint64_t> ids;
    uint64_t unreadable = 0;
    do {
      v1::ListJobsResponse response;
      ASSERT_TRUE(ListJobs(jobs_.get(), &fleet_, &waiting).Answer(ann_, jobs, &response).ok());
      for (const v1::Job& job : response.jobs()) ids.push_back(job.job_id());
      unreadable += response.unreadable_jobs();
      jobs.set_page_token(response.next_page_token());
    } while (!jobs.page_token().empty());
    EXPECT_THAT(ids, testing::ElementsAre(2, 5, 6));
    EXPECT_EQ(unreadable, 4U);

    v1::ListRunsRequest runs;
    runs.set_page_size(page_size);
    int rows = 0;
    uint64_t unreadable_runs = 0;
    do {
      v1::ListRunsResponse response;
      ASSERT_TRUE(ListRuns(jobs_.get(), runs_.get()).Answer(ann_, runs, &response).ok());
      rows += response.runs_size();
      unreadable_runs += response.unreadable_runs();
      runs.set_page_token(response.next_page_token());
    } while (!runs.page_token().empty());
    EXPECT_EQ(rows, 3);
    EXPECT_EQ(unreadable_runs, 4U);
  }
}

TEST_F(ListTest, WordsThatNobodyCouldHaveGivenAreRefused) {
  const Waiting waiting(jobs_.get());
  v1::ListJobsRequest jobs;
  v1::ListJobsResponse listed;
  jobs.set_user("a\x1b");
  EXPECT_EQ(ListJobs(jobs_.get(), &fleet_, &waiting).Answer(ann_, jobs, &listed).message(),
            "user is \"a\\x1b\", must have no \\x1b: visible characters only");
  jobs.clear_user();
  jobs.mutable_selector()->add_sweep_names("fine");
  jobs.mutable_selector()->add_sweep_names("\u202e");
  EXPECT_EQ(ListJobs(jobs_.get(), &fleet_, &waiting).Answer(ann_, jobs, &listed).message(),
            "sweep_names is \"\\u202e\", must have no \\u202e: visible characters only");
  v1::ListRunsRequest runs;
  v1::ListRunsResponse page;
  (*runs.mutable_filter()->mutable_labels())["k"] = "\u2028";
  EXPECT_EQ(ListRuns(jobs_.get(), runs_.get()).Answer(ann_, runs, &page).message(),
            "labels is \"\\u2028\", must have no \\u2028: visible characters only");
}

TEST_F(ListTest, AListOfStatesIsNoLongerThanAFilterMayBe) {
  const Waiting waiting(jobs_.get());
  const ListJobs list(jobs_.get(), &fleet_, &waiting);
  v1::ListJobsRequest request;
  v1::ListJobsResponse response;
  for (int i = 0; i < 100; ++i) request.add_states(v1::JOB_STATE_QUEUED);
  EXPECT_TRUE(list.Answer(ann_, request, &response).ok());
  for (const int more : {1, 4'000'000}) {
    for (int i = 0; i < more; ++i) request.add_states(v1::JOB_STATE_FAILED);
    EXPECT_EQ(list.Answer(ann_, request, &response),
              absl::InvalidArgumentError("states has " + std::to_string(request.states_size()) +
                                         " entries, must have at most 100"));
  }
}

TEST(PageSize, OneRowIsAPageHoweverLarge) {
  std::vector<v1::Job> jobs(2);
  jobs[0].set_reason(std::string(kMaxPageBytes + 1, 'x'));
  EXPECT_EQ(RowsThatFit(jobs), 1U);
  EXPECT_EQ(RowsThatFit(std::vector<v1::Job>{}), 0U);
  EXPECT_FALSE(PageSize(kMaxPage + 1, 1).ok());
  EXPECT_EQ(*PageSize(0, 50), 50U);
}

TEST_F(ListTest, CanariesAreNoJobsOfTheQueueUnlessTheyAreNamed) {
  storage::NewJob canary = storage::MakeJob();
  canary.spec.set_purpose(v1::PURPOSE_CANARY);
  const storage::Caller daemon{storage::kDaemonPrincipal, "torchlapd"};
  ASSERT_TRUE(jobs_->Submit(daemon, "", "", "", {canary}, {}, ++now_ns_).ok());
  SubmitOne(storage::MakeJob());
  const Waiting waiting(jobs_.get());
  const auto ids = [&](const v1::ListJobsRequest& request) {
    v1::ListJobsResponse response;
    EXPECT_TRUE(ListJobs(jobs_.get(), &fleet_, &waiting).Answer(ann_, request, &response).ok());
    std::vector<uint64_t> found;
    for (const v1::Job& job : response.jobs()) found.push_back(job.job_id());
    return found;
  };
  v1::ListJobsRequest request;
  EXPECT_THAT(ids(request), testing::ElementsAre(2));
  request.add_states(v1::JOB_STATE_QUEUED);
  EXPECT_THAT(ids(request), testing::ElementsAre(2));
  request.set_user("torchlapd");
  EXPECT_THAT(ids(request), testing::ElementsAre(1));
  request.Clear();
  request.mutable_selector()->add_job_ids(1);
  EXPECT_THAT(ids(request), testing::ElementsAre(1));
}

}  // namespace
}  // namespace torchlap::rpc
