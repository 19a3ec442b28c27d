#include "storage/visibility.h"

#include "storage/sweep_list.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class VisibilityTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    private_ann_.sees_all = false;
    private_bob_.sees_all = false;
  }
  Submitted SubmitAs(const Caller& caller, const std::vector<NewJob>& jobs) {
    const auto submitted = jobs_->Submit(caller, "", "", "", jobs, {42}, ++now_ns_);
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    return submitted.ok() ? *submitted : Submitted{0, std::vector<uint64_t>(jobs.size())};
  }
  // A finished run, as it is stored.
  v1::Run RunAs(const Caller& caller, const NewJob& job, v1::Outcome outcome = v1::OUTCOME_OK,
                double flops_per_s = 0, double mean_ns = 1e9) {
    FinishedRun finished = Ended(Start(SubmitAs(caller, {job}).job_ids[0]), outcome);
    finished.run.set_flops_per_s(flops_per_s);
    finished.run.mutable_step()->set_mean_ns(mean_ns);
    finished.run.set_actual_measure_steps(10);
    Finish(finished, LaunchDone());
    return finished.run;
  }
  template <typename Check, typename Id>
  absl::Status Ask(const Check& check, const Id& id, const Caller& caller) {
    return database_->Read([&](SQLite::Database& database) { return check(database, id, caller); });
  }
  std::vector<uint64_t> Ids(const JobFilter& filter) {
    const auto jobs = jobs_->List(filter);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    std::vector<uint64_t> ids;
    for (const v1::Job& job : *jobs) ids.push_back(job.job_id());
    return ids;
  }

  Caller private_ann_ = ann_;
  Caller private_bob_ = bob_;
};

TEST_F(VisibilityTest, OnlyWhoMayNotSeeAllIsBoundToHisOwn) {
  EXPECT_EQ(OnlyOwner(bob_), "");
  EXPECT_EQ(OnlyOwner(root_), "");
  EXPECT_EQ(OnlyOwner(private_bob_), "uid:1001");
}

TEST_F(VisibilityTest, AnothersIsRefusedWithItsOwnersName) {
  const Submitted sweep = SubmitAs(ann_, {MakeJob(), MakeJob()});
  Start(sweep.job_ids[0]);
  EXPECT_EQ(Ask(CheckMaySeeJob, sweep.job_ids[1], private_bob_),
            absl::PermissionDeniedError("job 2 belongs to ann; only its owner or an admin may see "
                                        "it, as this daemon is private"));
  EXPECT_EQ(Ask(CheckMaySeeSweep, sweep.sweep_id, private_bob_),
            absl::PermissionDeniedError("sweep 1 belongs to ann; only its owner or an admin may "
                                        "see it, as this daemon is private"));
  EXPECT_EQ(Ask(CheckMaySeeRun, std::string("1.1"), private_bob_),
            absl::PermissionDeniedError("run 1.1 belongs to ann; only its owner or an admin may "
                                        "see it, as this daemon is private"));
  for (const Caller& caller : {private_ann_, bob_, root_}) {
    EXPECT_TRUE(Ask(CheckMaySeeJob, sweep.job_ids[1], caller).ok());
    EXPECT_TRUE(Ask(CheckMaySeeSweep, sweep.sweep_id, caller).ok());
    EXPECT_TRUE(Ask(CheckMaySeeRun, std::string("1.1"), caller).ok());
  }
}

TEST_F(VisibilityTest, WhatIsNotThereIsLeftToItsReader) {
  EXPECT_TRUE(Ask(CheckMaySeeJob, uint64_t{7}, private_bob_).ok());
  EXPECT_TRUE(Ask(CheckMaySeeSweep, uint64_t{7}, private_bob_).ok());
  for (const std::string id : {"7.1", "", "7", "x.y"}) {
    EXPECT_TRUE(Ask(CheckMaySeeRun, id, private_bob_).ok()) << id;
  }
}

TEST_F(VisibilityTest, AListBoundToAnOwnerHasTheQueueOfOthersWhereThatIsAsked) {
  const std::vector<uint64_t> anns = SubmitAs(ann_, {MakeJob(), MakeJob(), MakeJob()}).job_ids;
  const std::vector<uint64_t> bobs = SubmitAs(bob_, {MakeJob(), MakeJob()}).job_ids;
  Finish(Ended(Start(anns[0])), LaunchDone());
  Start(anns[1]);
  Finish(Ended(Start(bobs[0])), LaunchDone());
  JobFilter filter;
  filter.only_owner = "uid:1001";
  EXPECT_THAT(Ids(filter), ElementsAre(bobs[0], bobs[1]));
  filter.others_queued = true;
  EXPECT_THAT(Ids(filter), ElementsAre(anns[1], anns[2], bobs[0], bobs[1]));
  filter.limit = 1;  // pages go on behind what was left out
  std::vector<uint64_t> ids;
  for (auto page = Ids(filter); !page.empty(); page = Ids(filter)) {
    ids.push_back(page.front());
    filter.after_job_id = page.front();
  }
  EXPECT_THAT(ids, ElementsAre(anns[1], anns[2], bobs[0], bobs[1]));
  filter.limit = 100;
  filter.after_job_id = 0;
  filter.states = {v1::JOB_STATE_QUEUED};
  EXPECT_THAT(Ids(filter), ElementsAre(anns[2], bobs[1]));
  filter.states = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_SUCCEEDED};
  EXPECT_THAT(Ids(filter), ElementsAre(anns[2], bobs[0], bobs[1]));
  filter.user = "ann";
  EXPECT_THAT(Ids(filter), ElementsAre(anns[2]));
  filter.others_queued = false;
  EXPECT_THAT(Ids(filter), IsEmpty());
}

TEST_F(VisibilityTest, RunsBoundToAnOwnerAreHisHoweverTheyAreChosen) {
  const v1::Run anns = RunAs(ann_, MakeJob());
  const v1::Run bobs = RunAs(bob_, MakeJob());
  RunAs(ann_, MakeJob("medium"));
  JobFilter selected;
  selected.only_owner = "uid:1001";
  const auto runs_of = [&](const v1::RunFilter& filter, const JobFilter& jobs) {
    std::vector<std::string> ids;
    const auto page = runs_->List(filter, jobs, true, 10, "");
    EXPECT_TRUE(page.ok()) << page.status();
    for (const v1::Run& run : page->runs) ids.push_back(run.run_id());
    std::vector<std::string> exported;
    EXPECT_TRUE(runs_
                    ->Export(filter, jobs, true,
                             [&](RunRows rows) {
                               for (const v1::Run& run : rows) exported.push_back(run.run_id());
                               return absl::OkStatus();
                             })
                    .ok());
    EXPECT_EQ(exported, ids);
    return ids;
  };
  EXPECT_THAT(runs_of({}, selected), ElementsAre(bobs.run_id()));
  v1::RunFilter of_ann;
  of_ann.add_users("ann");
  EXPECT_THAT(runs_of(of_ann, selected), IsEmpty());
  v1::RunFilter by_run;
  by_run.mutable_selector()->add_run_ids(anns.run_id());
  by_run.mutable_selector()->add_run_ids(bobs.run_id());
  EXPECT_THAT(runs_of(by_run, selected), ElementsAre(bobs.run_id()));
  JobFilter by_job = selected;
  by_job.job_ids = {anns.job_id(), bobs.job_id()};
  EXPECT_THAT(runs_of({}, by_job), ElementsAre(bobs.run_id()));
  selected.only_owner = "uid:4711";  // has submitted nothing yet
  EXPECT_THAT(runs_of({}, selected), IsEmpty());
}

TEST_F(VisibilityTest, ASweepOfAnotherIsNotInTheList) {
  SubmitAs(ann_, {MakeJob()});
  const uint64_t bobs = SubmitAs(bob_, {MakeJob()}).sweep_id;
  SubmitAs(ann_, {MakeJob()});
  const SweepList sweeps(database_.get());
  const auto page = sweeps.List("", 1, "", "uid:1001");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->sweeps.size(), 1U);
  EXPECT_EQ(page->sweeps[0].sweep_id(), bobs);
  EXPECT_EQ(page->next_page_token, "") << "there is none of his behind it";
  EXPECT_THAT(sweeps.List("ann", 10, "", "uid:1001")->sweeps, IsEmpty());
  EXPECT_EQ(sweeps.List("", 10, "")->sweeps.size(), 3U);
}

TEST_F(VisibilityTest, ARunIsComparedWithItsOwnersAloneWhereHistoriesAreApart) {
  const RunStore apart(database_.get(), RunStore::History::kOwners);
  const v1::Run bobs = RunAs(bob_, MakeJob(), v1::OUTCOME_OK, 2e9);
  const v1::Run anns = RunAs(ann_, MakeJob(), v1::OUTCOME_OK, 4e9, 0.5e9);
  EXPECT_EQ(runs_->BestSibling(bobs, 10)->value().run_id, anns.run_id());
  EXPECT_EQ(apart.BestSibling(bobs, 10)->value().run_id, bobs.run_id());
  EXPECT_EQ(apart.BestSibling(anns, 10)->value().run_id, anns.run_id());
  v1::Run unknown = bobs;
  unknown.set_run_id("4711.1");
  EXPECT_FALSE(apart.BestSibling(unknown, 10)->has_value());
}

TEST_F(VisibilityTest, WhatAnothersFitHasShownIsNotToldWhereHistoriesAreApart) {
  const RunStore apart(database_.get(), RunStore::History::kOwners);
  const auto fit = [&](const Caller& caller) {
    for (const auto& [batch, outcome] :
         {std::pair(8U, v1::OUTCOME_OK), std::pair(16U, v1::OUTCOME_OUT_OF_MEMORY)}) {
      NewJob job = MakeJob("small", batch, 256);
      job.spec.set_purpose(v1::PURPOSE_FIT);
      RunAs(caller, job, outcome);
    }
  };
  const v1::Run asked = Start(SubmitAs(bob_, {MakeJob("small", 32, 256)}).job_ids[0]).run;
  fit(ann_);
  EXPECT_TRUE(runs_->FindFrontier(asked)->has_value());
  EXPECT_FALSE(apart.FindFrontier(asked)->has_value());
  fit(bob_);
  ASSERT_TRUE(apart.FindFrontier(asked)->has_value());
  EXPECT_EQ(apart.FindFrontier(asked)->value().too_big_run_id, "5.1");
}

}  // namespace
}  // namespace torchlap::storage
