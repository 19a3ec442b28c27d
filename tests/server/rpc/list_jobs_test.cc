#include "server/rpc/list_jobs.h"

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

TEST(PageSize, OneRowIsAPageHoweverLarge) {
  std::vector<v1::Job> jobs(2);
  jobs[0].set_reason(std::string(kMaxPageBytes + 1, 'x'));
  EXPECT_EQ(RowsThatFit(jobs), 1U);
  EXPECT_EQ(RowsThatFit(std::vector<v1::Job>{}), 0U);
  EXPECT_FALSE(PageSize(kMaxPage + 1, 1).ok());
  EXPECT_EQ(*PageSize(0, 50), 50U);
}

}  // namespace
}  // namespace torchlap::rpc
