#include "storage/sweep_list.h"

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;

class SweepListTest : public StoreTest {
 protected:
  SweepPage List(const std::string& user = "", uint32_t size = 50, const std::string& token = "") {
    const auto page = SweepList(database_.get()).List(user, size, token);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? *page : SweepPage();
  }
  static std::vector<uint64_t> Ids(const SweepPage& page) {
    std::vector<uint64_t> ids;
    for (const v1::Sweep& sweep : page.sweeps) ids.push_back(sweep.sweep_id());
    return ids;
  }
  void End(uint64_t job_id, v1::Outcome outcome, v1::Validity validity, const AfterRun& after) {
    FinishedRun finished = Ended(Start(job_id), outcome);
    finished.run.set_validity(validity);
    Finish(finished, after);
  }
};

TEST_F(SweepListTest, ASweepCountsItsJobsByStateAndItsOkRunsByVerdict) {
  NewJob warmup = MakeJob();
  warmup.spec.set_purpose(v1::PURPOSE_WARMUP);
  const Submitted sweep = Submit(std::vector<NewJob>(7, warmup), "", "night");
  const std::vector<uint64_t>& jobs = sweep.job_ids;
  End(jobs[0], v1::OUTCOME_OK, v1::VALIDITY_CLEAN, LaunchDone());
  End(jobs[1], v1::OUTCOME_OK, v1::VALIDITY_CONTAMINATED, TryAgain(4, 256));
  End(jobs[1], v1::OUTCOME_OK, v1::VALIDITY_SUSPECT, LaunchDone());
  End(jobs[2], v1::OUTCOME_OK, v1::VALIDITY_UNVERIFIED, LaunchDone());
  End(jobs[3], v1::OUTCOME_CRASHED, v1::VALIDITY_UNSPECIFIED, JobFailed("crashed"));
  ASSERT_TRUE(jobs_->Cancel({jobs[4]}, ann_, ++now_ns_).ok());
  Start(jobs[5]);
  const SweepPage page = List();
  ASSERT_EQ(page.sweeps.size(), 1u);
  const v1::Sweep& found = page.sweeps[0];
  EXPECT_EQ(found.sweep_id(), sweep.sweep_id);
  EXPECT_EQ(found.name(), "night");
  EXPECT_EQ(found.user(), "ann");
  EXPECT_GT(found.submitted_at_ns(), 0);
  EXPECT_EQ(found.purpose(), v1::PURPOSE_WARMUP);
  EXPECT_EQ(found.queued_jobs(), 1u);
  EXPECT_EQ(found.running_jobs(), 1u);
  EXPECT_EQ(found.succeeded_jobs(), 3u);
  EXPECT_EQ(found.failed_jobs(), 1u);
  EXPECT_EQ(found.cancelled_jobs(), 1u);
  EXPECT_EQ(found.clean_runs(), 1u);
  EXPECT_EQ(found.unverified_runs(), 1u);
  EXPECT_EQ(found.suspect_runs(), 1u);
  EXPECT_EQ(found.contaminated_runs(), 1u);
}

TEST_F(SweepListTest, PagesGoFromTheNewestToTheOldest) {
  for (int i = 0; i < 5; ++i) Submit({MakeJob()});
  const SweepPage first = List("", 2);
  EXPECT_THAT(Ids(first), ElementsAre(5, 4));
  Submit({MakeJob()});
  const SweepPage second = List("", 2, first.next_page_token);
  EXPECT_THAT(Ids(second), ElementsAre(3, 2)) << "a new one shifts nothing";
  const SweepPage third = List("", 2, second.next_page_token);
  EXPECT_THAT(Ids(third), ElementsAre(1));
  EXPECT_EQ(third.next_page_token, "");
  EXPECT_EQ(List("", 6).next_page_token, "") << "an exactly full page is the last";
}

TEST_F(SweepListTest, AUserIsAnAccountOrAPrincipal) {
  Submit({MakeJob()});
  ASSERT_TRUE(jobs_->Submit(bob_, "", "", "", {MakeJob()}, {0}, ++now_ns_).ok());
  EXPECT_THAT(Ids(List()), ElementsAre(2, 1));
  EXPECT_THAT(Ids(List("bob")), ElementsAre(2));
  EXPECT_THAT(Ids(List("uid:1000")), ElementsAre(1));
  EXPECT_THAT(Ids(List("nobody")), testing::IsEmpty());
}

TEST_F(SweepListTest, AForeignTokenIsRefused) {
  for (const char* token : {"x", "1.5", " 1", "01"}) {
    EXPECT_EQ(SweepList(database_.get()).List("", 5, token).status().code(),
              absl::StatusCode::kInvalidArgument)
        << token;
  }
}

}  // namespace
}  // namespace torchlap::storage
