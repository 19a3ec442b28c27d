#include "storage/finding_store.h"

#include <optional>
#include <string>
#include <vector>

#include "proto/suite_limits.h"
#include "storage/baseline_store.h"
#include "storage/prune.h"
#include "storage/run_words.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class FindingStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    store_.emplace(database_.get());
  }
  static NewJob SuiteJob(const std::string& suite = "night") {
    NewJob job = MakeJob();
    (*job.spec.mutable_labels())[kSuiteLabel] = suite;
    return job;
  }
  uint64_t SubmitAs(const Caller& caller, const NewJob& job) {
    const auto submitted = jobs_->Submit(caller, "", "", "", {job}, {42}, ++now_ns_);
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    return submitted.ok() ? submitted->job_ids.front() : 0;
  }
  // Its run id.
  std::string End(uint64_t job_id, double median_ns, v1::Validity validity = v1::VALIDITY_CLEAN) {
    FinishedRun finished = Ended(Start(job_id));
    finished.run.mutable_step()->set_median_ns(median_ns);
    finished.run.set_validity(validity);
    Finish(finished, LaunchDone());
    return finished.run.run_id();
  }
  std::string Run(const NewJob& job, double median_ns, v1::Validity validity = v1::VALIDITY_CLEAN) {
    return End(SubmitOne(job), median_ns, validity);
  }
  std::vector<EndedSweep> Due() {
    auto ended = store_->Ended();
    EXPECT_TRUE(ended.ok()) << ended.status();
    return ended.ok() ? *std::move(ended) : std::vector<EndedSweep>();
  }
  CellPast Past(const EndedSweep& sweep, bool own_baseline = false) {
    const auto series = store_->SeriesOf(sweep);
    EXPECT_TRUE(series.ok() && series->size() == 1U) << series.status();
    auto past = store_->Past(sweep, series->front(), own_baseline);
    EXPECT_TRUE(past.ok()) << past.status();
    return past.ok() ? *std::move(past) : CellPast();
  }
  FindingEdit OpenOf(const CellPast& past) {
    FindingEdit edit;
    edit.series = past.series;
    edit.run = past.points.front().point.run;
    edit.seen_run = past.points.back().point.run;
    edit.before_ns = 10e6;
    edit.after_ns = 12e6;
    v1::EnvironmentChange& change = edit.changes.emplace_back();
    change.set_name("driver");
    change.set_after("580");
    return edit;
  }
  // An open finding of two runs of one suite's sweep of ann's: the first and the last that show it.
  std::vector<std::string> OpenOne() {
    std::vector<std::string> runs = {Run(SuiteJob(), 12e6), Run(SuiteJob(), 12e6)};
    const auto ended = Due();
    Judged(ended.back(), {OpenOf(Past(ended.back()))});
    return runs;
  }
  void Judged(const EndedSweep& sweep, const std::vector<FindingEdit>& edits) {
    const absl::Status status = store_->Judged(sweep, edits, ++now_ns_);
    EXPECT_TRUE(status.ok()) << status;
  }
  std::vector<v1::CellFinding> List(const FindingFilter& filter = {}) {
    auto list = store_->List(filter);
    EXPECT_TRUE(list.ok()) << list.status();
    return list.ok() ? std::move(list->findings) : std::vector<v1::CellFinding>();
  }
  v1::RunFilter OfRun(const std::string& run_id) {
    v1::RunFilter filter;
    filter.mutable_selector()->add_run_ids(run_id);
    return filter;
  }

  std::optional<FindingStore> store_;
};

TEST_F(FindingStoreTest, SweepsOfSuitesAreToBeJudgedOnceTheyHaveEnded) {
  Run(MakeJob(), 10e6);
  EXPECT_THAT(Due(), IsEmpty()) << "no suite made it";
  const Submitted sweep = Submit({SuiteJob(), SuiteJob()});
  End(sweep.job_ids[0], 10e6);
  EXPECT_THAT(Due(), IsEmpty()) << "a job waits";
  End(sweep.job_ids[1], 10e6);
  Reopen();
  store_.emplace(database_.get());
  const auto ended = Due();
  ASSERT_THAT(ended, SizeIs(1)) << "also after a start";
  EXPECT_EQ(ended[0].sweep_id, sweep.sweep_id);
  EXPECT_EQ(ended[0].suite, "night");
  Judged(ended[0], {});
  EXPECT_THAT(Due(), IsEmpty());
}

TEST_F(FindingStoreTest, ThePastIsOfTheOwnersGoodRuns) {
  const std::string by_hand = Run(MakeJob(), 10e6);
  Run(MakeJob(), 99e6, v1::VALIDITY_CONTAMINATED);
  const std::string invalid = Run(MakeJob(), 98e6);
  ASSERT_TRUE(RunWords(database_.get()).Invalidate(OfRun(invalid), {}, "a fan", ann_).ok());
  Run(MakeJob("small", 2, 256), 97e6);
  End(SubmitAs(bob_, MakeJob()), 96e6);
  const std::string at_night = Run(SuiteJob(), 11e6);
  const CellPast past = Past(Due().at(0));
  ASSERT_THAT(past.points, SizeIs(2));
  EXPECT_EQ(past.points[0].point.run_id, by_hand);
  EXPECT_FALSE(past.points[0].is_suites);
  EXPECT_EQ(past.points[0].point.median_ns, 10e6);
  EXPECT_EQ(past.points[1].point.run_id, at_night);
  EXPECT_TRUE(past.points[1].is_suites);
  EXPECT_NE(past.points[0].sweep_id, past.points[1].sweep_id);
  EXPECT_FALSE(past.newest.has_value());
}

TEST_F(FindingStoreTest, TheBaselineIsTheOwnersAndInAPrivateDaemonOfHisRuns) {
  const std::string mine = Run(MakeJob(), 10e6);
  const std::string bobs = End(SubmitAs(bob_, MakeJob()), 9e6);
  v1::RunFilter both = OfRun(mine);
  both.mutable_selector()->add_run_ids(bobs);
  ASSERT_TRUE(BaselineStore(database_.get()).Replace(ann_, both, {}, "because", 1).ok());
  Run(SuiteJob(), 11e6);
  const EndedSweep sweep = Due().at(0);
  EXPECT_THAT(Past(sweep).baseline_ns, ElementsAre(10e6, 9e6));
  EXPECT_THAT(Past(sweep, /*own_baseline=*/true).baseline_ns, ElementsAre(10e6));
  EXPECT_TRUE(Past(sweep).points[0].in_baseline);
  EXPECT_FALSE(Past(sweep).points[1].in_baseline);
}

TEST_F(FindingStoreTest, AFindingIsOpenedSeenRenewedAndClosed) {
  const auto runs = OpenOne();
  ASSERT_THAT(List(), SizeIs(1));
  v1::CellFinding finding = List()[0];
  EXPECT_EQ(finding.finding_id(), 1U);
  EXPECT_EQ(finding.user(), "ann");
  EXPECT_EQ(finding.state(), v1::CELL_FINDING_NEW);
  EXPECT_EQ(finding.subject().run_id(), runs[0]);
  EXPECT_EQ(finding.subject().workload().transformer_lm().batch_size(), 4U);
  EXPECT_FALSE(finding.subject().has_step()) << "it is short";
  EXPECT_DOUBLE_EQ(finding.ratio(), 1.2);
  EXPECT_EQ(finding.suite(), "night");
  ASSERT_EQ(finding.changes_size(), 1);
  EXPECT_EQ(finding.changes(0).after(), "580");
  EXPECT_EQ(finding.closed_at_ns(), 0);

  const std::string third = Run(SuiteJob(), 12e6);
  const EndedSweep sweep = Due().back();
  const CellPast past = Past(sweep);
  ASSERT_TRUE(past.newest.has_value());
  FindingEdit edit = OpenOf(past);
  edit.id = past.newest->id;
  edit.kind = FindingEdit::Kind::kSeen;
  edit.after_ns = 0;
  Judged(sweep, {edit});
  EXPECT_GT(List()[0].seen_at_ns(), finding.seen_at_ns());
  EXPECT_EQ(List()[0].after_ns(), 12e6);
  EXPECT_EQ(List()[0].found_at_ns(), finding.found_at_ns());

  ASSERT_TRUE(store_->Set(1, v1::CELL_FINDING_IGNORED, "known", ann_, ++now_ns_).ok());
  edit.kind = FindingEdit::Kind::kRenew;
  edit.run = past.points.back().point.run;
  edit.after_ns = 14e6;
  edit.changes.clear();
  Judged(sweep, {edit});
  finding = List()[0];
  EXPECT_EQ(finding.state(), v1::CELL_FINDING_NEW);
  EXPECT_EQ(finding.why(), "known") << "it stays said";
  EXPECT_EQ(finding.subject().run_id(), third);
  EXPECT_EQ(finding.changes_size(), 0);

  edit.kind = FindingEdit::Kind::kClose;
  Judged(sweep, {edit});
  EXPECT_EQ(List()[0].state(), v1::CELL_FINDING_FIXED);
  EXPECT_GT(List()[0].closed_at_ns(), 0);
  EXPECT_TRUE(Past(sweep).newest->vanished);
}

TEST_F(FindingStoreTest, ACellHasOneOpenFindingAtMost) {
  OpenOne();
  Run(SuiteJob(), 12e6);
  const EndedSweep sweep = Due().back();
  const FindingEdit again = OpenOf(Past(sweep));
  Judged(sweep, {again});
  EXPECT_THAT(List(), SizeIs(1));
  FindingEdit close = again;
  close.kind = FindingEdit::Kind::kClose;
  close.id = 1;
  Judged(sweep, {close, again});
  ASSERT_THAT(List(), SizeIs(2));
  const uint64_t newer = List()[0].finding_id();
  EXPECT_GT(newer, 1U) << "the newest first";
  EXPECT_EQ(List()[0].closed_at_ns(), 0);
  const auto reopened = store_->Set(1, v1::CELL_FINDING_CONFIRMED, "", ann_, ++now_ns_);
  EXPECT_TRUE(absl::IsFailedPrecondition(reopened.status())) << reopened.status();
  EXPECT_THAT(std::string(reopened.status().message()),
              HasSubstr("finding " + std::to_string(newer) + " of the same cell"));
  // What was closed meanwhile is not closed once more.
  const int64_t closed_at_ns = List()[1].closed_at_ns();
  Judged(sweep, {close});
  EXPECT_EQ(List()[1].closed_at_ns(), closed_at_ns);
}

TEST_F(FindingStoreTest, OnlyTheOwnerAndAdminsSetIt) {
  OpenOne();
  const auto refused = store_->Set(1, v1::CELL_FINDING_IGNORED, "x", bob_, ++now_ns_);
  EXPECT_EQ(refused.status(), absl::PermissionDeniedError("finding 1 belongs to ann; only its "
                                                          "owner or an admin may set it"));
  EXPECT_EQ(store_->Set(7, v1::CELL_FINDING_IGNORED, "", ann_, 1).status(),
            absl::NotFoundError("there is no finding 7"));
  const auto set = store_->Set(1, v1::CELL_FINDING_CONFIRMED, "the driver", root_, ++now_ns_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->state(), v1::CELL_FINDING_CONFIRMED);
  EXPECT_EQ(set->why(), "the driver");
  const auto fixed = store_->Set(1, v1::CELL_FINDING_FIXED, "", ann_, 77);
  ASSERT_TRUE(fixed.ok()) << fixed.status();
  EXPECT_EQ(fixed->closed_at_ns(), 77);
  EXPECT_EQ(fixed->why(), "the driver") << "what is not said anew stays";
  EXPECT_EQ(SelectInt("SELECT vanished FROM cell_finding"), 0);
  const auto opened = store_->Set(1, v1::CELL_FINDING_NEW, "", ann_, 78);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->closed_at_ns(), 0);
  EXPECT_EQ(opened->why(), "the driver");
  EXPECT_EQ(store_->Set(1, v1::CELL_FINDING_FIXED, "rolled back", ann_, 79)->why(), "rolled back");
}

TEST_F(FindingStoreTest, ListsAreOfStatesUsersAndTimes) {
  OpenOne();
  const v1::CellFinding finding = List()[0];
  const auto found = [&](const FindingFilter& filter) { return List(filter).size(); };
  EXPECT_EQ(found({.states = {v1::CELL_FINDING_NEW, v1::CELL_FINDING_FIXED}}), 1U);
  EXPECT_EQ(found({.states = {v1::CELL_FINDING_IGNORED}}), 0U);
  EXPECT_EQ(found({.user = "ann"}), 1U);
  EXPECT_EQ(found({.user = "uid:1000"}), 1U);
  EXPECT_EQ(found({.user = "bob"}), 0U);
  EXPECT_EQ(found({.only_owner = "uid:1000"}), 1U);
  EXPECT_EQ(found({.user = "ann", .only_owner = "uid:1001"}), 0U);
  EXPECT_EQ(found({.since_ns = finding.found_at_ns()}), 1U);
  EXPECT_EQ(found({.since_ns = finding.found_at_ns() + 1}), 0U);
  Break("UPDATE cell_finding SET seen_at_ns = seen_at_ns + 10");
  EXPECT_EQ(found({.since_ns = finding.found_at_ns() + 1}), 1U);
  EXPECT_EQ(found({.since_ns = finding.found_at_ns() + 1, .changed = true}), 0U);
  const auto cut = store_->List({.limit = 0});
  EXPECT_TRUE(cut->is_cut);
}

TEST_F(FindingStoreTest, WhatIsDeclaredInvalidIsJudgedAgain) {
  const auto runs = OpenOne();
  for (const EndedSweep& sweep : Due()) Judged(sweep, {});
  ASSERT_THAT(Due(), IsEmpty());
  const std::string by_hand = Run(MakeJob(), 10e6);
  RunWords words(database_.get());
  ASSERT_TRUE(words.Invalidate(OfRun(by_hand), {}, "a fan", ann_).ok());
  EXPECT_THAT(Due(), IsEmpty()) << "no suite made it";
  ASSERT_TRUE(words.Note(OfRun(runs[1]), {}, "a note", ann_).ok());
  EXPECT_THAT(Due(), IsEmpty());
  ASSERT_TRUE(words.Invalidate(OfRun(runs[1]), {}, "a fan", ann_).ok());
  const auto again = Due();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_THAT(store_->SeriesOf(again[0]).value(), SizeIs(1)) << "of an invalid run, too";
  // It is asked for once more while it is judged.
  ASSERT_TRUE(words.Invalidate(OfRun(runs[1]), {}, "", ann_).ok());
  Judged(again[0], {});
  EXPECT_THAT(Due(), SizeIs(1));
  EXPECT_EQ(List()[0].subject().invalid_reason(), "");
  ASSERT_TRUE(words.Invalidate(OfRun(runs[0]), {}, "a fan", ann_).ok());
  EXPECT_EQ(List()[0].subject().invalid_reason(), "a fan") << "it is told as long as it stands";
  for (const EndedSweep& sweep : Due()) Judged(sweep, {});
  Break("UPDATE job SET host = 'lab2'");
  ASSERT_TRUE(words.Invalidate(OfRun(runs[1]), {}, "a fan", ann_).ok());
  EXPECT_THAT(Due(), IsEmpty()) << "it was judged on the machine that it is of";
}

TEST_F(FindingStoreTest, APrunedRunLeavesItsFindingToTheOtherEnd) {
  const auto runs = OpenOne();
  ASSERT_EQ(List()[0].subject().run_id(), runs[0]);
  const auto prune = [&](const std::string& run_id) {
    const auto pruned = PruneWholeRuns(database_.get(), OfRun(run_id), {}, Pruning::kDelete);
    ASSERT_TRUE(pruned.ok()) << pruned.status();
    EXPECT_EQ(pruned->runs, 1U);
  };
  prune(runs[0]);
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].subject().run_id(), runs[1]);
  prune(runs[1]);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(Due(), IsEmpty()) << "with its sweep, what was to be judged is gone";
  EXPECT_EQ(Integrity(), "ok");
}

TEST_F(FindingStoreTest, TheLastRunThatShowsItMayBePrunedFirst) {
  const auto runs = OpenOne();
  ASSERT_TRUE(PruneWholeRuns(database_.get(), OfRun(runs[1]), {}, Pruning::kDelete).ok());
  EXPECT_EQ(List()[0].subject().run_id(), runs[0]);
  EXPECT_EQ(SelectInt("SELECT seen_run_id = run_id FROM cell_finding"), 1);
}

}  // namespace
}  // namespace torchlap::storage
