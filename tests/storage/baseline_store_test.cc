#include "storage/baseline_store.h"

#include <optional>
#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class BaselineStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    baselines_.emplace(database_.get());
  }
  std::string Run(const NewJob& job, double median_ns, v1::Validity validity = v1::VALIDITY_CLEAN) {
    const StartedRun started = Start(SubmitOne(job));
    FinishedRun finished = Ended(started);
    finished.run.mutable_step()->set_median_ns(median_ns);
    finished.run.set_validity(validity);
    Finish(finished, LaunchDone());
    return started.run.run_id();
  }
  static v1::RunFilter OfRuns(const std::vector<std::string>& run_ids) {
    v1::RunFilter filter;
    for (const std::string& id : run_ids) filter.mutable_selector()->add_run_ids(id);
    return filter;
  }
  BaselineStore::Set Replace(const Caller& caller, const v1::RunFilter& filter,
                             const std::string& reason = "because") {
    const auto set = baselines_->Replace(caller, filter, {}, reason, ++now_ns_);
    EXPECT_TRUE(set.ok()) << set.status();
    return set.ok() ? *set : BaselineStore::Set();
  }
  std::vector<BaselineRun> List(const std::string& user, const std::string& only_owner = "") {
    auto runs = baselines_->List(user, only_owner, v1::PHASE_UNSPECIFIED);
    EXPECT_TRUE(runs.ok()) << runs.status();
    return runs.ok() ? *std::move(runs) : std::vector<BaselineRun>();
  }
  std::vector<std::string> Ids(const std::string& user, const std::string& only_owner = "") {
    std::vector<std::string> ids;
    for (const BaselineRun& run : List(user, only_owner)) ids.push_back(run.point.run_id);
    return ids;
  }
  v1::Selector Baseline() {
    v1::Selector selector;
    selector.set_baseline(true);
    return selector;
  }

  std::optional<BaselineStore> baselines_;
};

TEST_F(BaselineStoreTest, EachSeriesHasASetOfItsOwn) {
  const std::string small = Run(MakeJob(), 31e6);
  const std::string medium = Run(MakeJob("medium"), 61e6);
  BaselineStore::Set set = Replace(ann_, OfRuns({small, medium}), "before the upgrade");
  EXPECT_EQ(set.series, 2U);
  EXPECT_EQ(set.runs, 2U);
  EXPECT_EQ(set.replaced_series, 0U);
  const std::string newer = Run(MakeJob(), 32e6);
  const std::string newest = Run(MakeJob(), 33e6);
  set = Replace(ann_, OfRuns({newest, newer}), "after it");
  EXPECT_EQ(set.series, 1U);
  EXPECT_EQ(set.runs, 2U);
  EXPECT_EQ(set.replaced_series, 1U);
  const std::vector<BaselineRun> runs = List("uid:1000");
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0].point.run_id, newer);
  EXPECT_EQ(runs[0].point.median_ns, 32e6);
  EXPECT_EQ(runs[0].reason, "after it");
  EXPECT_EQ(runs[0].set_at_ns, now_ns_);
  EXPECT_EQ(runs[1].point.run_id, newest);
  EXPECT_EQ(runs[2].point.run_id, medium);
  EXPECT_EQ(runs[2].reason, "before the upgrade");
}

TEST_F(BaselineStoreTest, UsersHaveTheirOwn) {
  const std::string first = Run(MakeJob(), 31e6);
  const std::string second = Run(MakeJob(), 32e6);
  Replace(ann_, OfRuns({first}));
  EXPECT_EQ(Replace(bob_, OfRuns({second})).replaced_series, 0U);
  EXPECT_THAT(Ids("ann"), ElementsAre(first));
  EXPECT_THAT(Ids("uid:1001"), ElementsAre(second)) << "who never submitted a job";
  EXPECT_THAT(Ids("nobody"), IsEmpty());
  // Runs are ann's, whoever holds new ones against them.
  EXPECT_THAT(Ids("bob", bob_.principal), IsEmpty());
  EXPECT_THAT(Ids("bob", ann_.principal), ElementsAre(second));
}

TEST_F(BaselineStoreTest, ContaminatedRunsAreTakenOnlyWhereThereAreNoOthers) {
  const std::string good = Run(MakeJob(), 31e6);
  const std::string bad = Run(MakeJob(), 45e6, v1::VALIDITY_CONTAMINATED);
  const std::string alone = Run(MakeJob("medium"), 61e6, v1::VALIDITY_CONTAMINATED);
  const BaselineStore::Set set = Replace(ann_, {});
  EXPECT_EQ(set.series, 2U);
  EXPECT_EQ(set.runs, 2U);
  EXPECT_THAT(Ids("ann"), ElementsAre(good, alone));
}

TEST_F(BaselineStoreTest, WhatCannotBeABaselineChangesNothing) {
  const std::string good = Run(MakeJob(), 31e6);
  Replace(ann_, OfRuns({good}));
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  const auto refused = baselines_->Replace(ann_, OfRuns({"2.1"}), {}, "because", ++now_ns_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  v1::RunFilter crashed;
  crashed.add_outcomes(v1::OUTCOME_CRASHED);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      baselines_->Replace(ann_, crashed, {}, "because", ++now_ns_).status()));
  NewJob warmup = MakeJob();
  warmup.spec.set_purpose(v1::PURPOSE_WARMUP);
  Run(warmup, 31e6);
  v1::RunFilter warmups;
  warmups.add_purposes(v1::PURPOSE_WARMUP);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      baselines_->Replace(ann_, warmups, {}, "because", ++now_ns_).status()));
  v1::RunFilter too_large;
  for (int i = 0; i < 101; ++i) too_large.add_users("ann");
  EXPECT_TRUE(absl::IsInvalidArgument(
      baselines_->Replace(ann_, too_large, {}, "because", ++now_ns_).status()));
  EXPECT_THAT(Ids("ann"), ElementsAre(good));
}

TEST_F(BaselineStoreTest, ItIsClearedBySeriesOrWholly) {
  const std::string small = Run(MakeJob(), 31e6);
  const std::string medium = Run(MakeJob("medium"), 61e6);
  const std::string another = Run(MakeJob(), 32e6);
  Replace(ann_, OfRuns({small, medium}));
  Replace(bob_, OfRuns({small}));
  // By any run of the series.
  EXPECT_EQ(*baselines_->Clear(ann_, OfRuns({another}), {}), 1U);
  EXPECT_THAT(Ids("ann"), ElementsAre(medium));
  EXPECT_EQ(*baselines_->Clear(ann_, OfRuns({another}), {}), 0U);
  EXPECT_EQ(*baselines_->ClearAll(ann_), 1U);
  EXPECT_EQ(*baselines_->ClearAll(ann_), 0U);
  EXPECT_THAT(Ids("ann"), IsEmpty());
  EXPECT_THAT(Ids("bob"), ElementsAre(small));
  const Caller stranger{"uid:7", "eve", false};
  EXPECT_EQ(*baselines_->ClearAll(stranger), 0U);
  EXPECT_EQ(*baselines_->Clear(stranger, {}, {}), 0U);
}

TEST_F(BaselineStoreTest, ASelectorOfItMeansItsRuns) {
  const std::string first = Run(MakeJob(), 31e6);
  const std::string second = Run(MakeJob(), 32e6);
  const std::string third = Run(MakeJob(), 33e6);
  Replace(ann_, OfRuns({first, third}));
  const auto chosen = [&](const v1::Selector& selector, const Caller& caller) {
    v1::RunFilter filter;
    *filter.mutable_selector() = selector;
    std::vector<std::string> ids;
    const auto selected = jobs_->Resolve(selector, caller);
    EXPECT_TRUE(selected.ok()) << selected.status();
    if (!selected.ok()) return ids;
    EXPECT_TRUE(runs_
                    ->Export(filter, *selected, true,
                             [&ids](const RunRows& rows) {
                               for (const v1::Run& run : rows) ids.push_back(run.run_id());
                               return absl::OkStatus();
                             })
                    .ok());
    return ids;
  };
  EXPECT_THAT(chosen(Baseline(), ann_), ElementsAre(first, third));
  v1::Selector both = Baseline();
  both.add_job_ids(2);
  EXPECT_THAT(chosen(both, ann_), ElementsAre(first, second, third));
  EXPECT_THAT(chosen(both, bob_), ElementsAre(second)) << "who has none";
  v1::Selector with_run = Baseline();
  with_run.add_run_ids(second);
  EXPECT_THAT(chosen(with_run, ann_), ElementsAre(first, second, third));
  EXPECT_THAT(chosen(with_run, bob_), ElementsAre(second));
  both.set_all(true);
  EXPECT_THAT(chosen(both, bob_), ElementsAre(first, second, third));
}

TEST_F(BaselineStoreTest, WhoHasNoneIsToldHowToSetIt) {
  Replace(ann_, OfRuns({Run(MakeJob(), 31e6)}));
  EXPECT_EQ(jobs_->Resolve(Baseline(), bob_).status(),
            absl::NotFoundError("you have no baseline, set one with torchlap baseline set"));
  EXPECT_EQ(jobs_->Resolve(Baseline(), ann_)->baseline_of, "uid:1000");
}

TEST_F(BaselineStoreTest, ARunThatWasDeclaredInvalidIsNotHeldAgainstAnyMore) {
  const std::string first = Run(MakeJob(), 31e6);
  const std::string second = Run(MakeJob(), 32e6);
  Replace(ann_, {});
  Break("UPDATE run SET invalid_reason = 'wrong clock' WHERE id = 1");
  EXPECT_THAT(Ids("ann"), ElementsAre(second));
  const JobFilter selected = *jobs_->Resolve(Baseline(), ann_);
  EXPECT_EQ(runs_->List({}, selected, true, 10, "")->runs.size(), 1);
}

TEST_F(BaselineStoreTest, ARunThatWasDeclaredInvalidCannotBecomeOneEvenByItsName) {
  const std::string first = Run(MakeJob(), 31e6);
  const std::string second = Run(MakeJob(), 32e6);
  Break("UPDATE run SET invalid_reason = 'wrong clock' WHERE id = 1");
  Replace(ann_, OfRuns({first, second}));
  EXPECT_THAT(Ids("ann"), ElementsAre(second));
}

TEST_F(BaselineStoreTest, ItIsStillThereWhenTheFileIsOpenedAgain) {
  const std::string run = Run(MakeJob(), 31e6);
  Replace(ann_, OfRuns({run}));
  Reopen();
  baselines_.emplace(database_.get());
  EXPECT_THAT(Ids("ann"), ElementsAre(run));
  EXPECT_EQ(Integrity(), "ok");
}

}  // namespace
}  // namespace torchlap::storage
