#include "server/run/sweep_judge.h"

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <vector>

#include "storage/baseline_store.h"
#include "storage/run_words.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::run {
namespace {

using storage::MakeJob;
using testing::IsEmpty;
using testing::SizeIs;

class SweepJudgeTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    judge_.emplace(database_.get(), &clock_, false);
  }
  struct Night {
    double median_ns = 10e6;
    std::string suite = "night";
    v1::Validity validity = v1::VALIDITY_CLEAN;
    std::string driver = "570";
  };
  // The runs of a sweep of four launches of one cell.
  std::vector<std::string> Sweep(const Night& night) {
    now_ns_ = clock_.WallNs();
    storage::NewJob job = MakeJob("small", 4U);
    if (!night.suite.empty()) (*job.spec.mutable_labels())["suite"] = night.suite;
    const uint64_t id = SubmitOne(job);
    std::vector<std::string> runs;
    for (uint32_t launch = 0; launch < 4; ++launch) {
      storage::FinishedRun finished = storage::Ended(Start(id, launch));
      finished.run.mutable_step()->set_median_ns(night.median_ns * (1 + 0.0005 * launch));
      finished.run.set_validity(night.validity);
      finished.run.set_environment_hash("hash-" + night.driver);
      finished.environment.emplace().set_driver_version(night.driver);
      Finish(finished, storage::LaunchDone());
      runs.push_back(finished.run.run_id());
    }
    clock_.Advance(1'000'000'000);
    return runs;
  }
  // Sweeps, each of which is judged.
  void Nights(const std::vector<double>& medians_ns) {
    for (const double median_ns : medians_ns) {
      Sweep({.median_ns = median_ns});
      judge_->JudgeAll();
    }
  }
  std::vector<v1::CellFinding> Findings() {
    const auto list = storage::FindingStore(database_.get()).List({});
    EXPECT_TRUE(list.ok()) << list.status();
    return list.ok() ? list->findings : std::vector<v1::CellFinding>();
  }
  void Set(v1::CellFindingState state, const std::string& why = "") {
    const auto set = storage::FindingStore(database_.get())
                         .Set(Findings().at(0).finding_id(), state, why, ann_, clock_.WallNs());
    EXPECT_TRUE(set.ok()) << set.status();
  }
  void Invalidate(const std::vector<std::string>& run_ids) {
    v1::RunFilter filter;
    for (const std::string& id : run_ids) filter.mutable_selector()->add_run_ids(id);
    const auto changed = storage::RunWords(database_.get()).Invalidate(filter, {}, "a fan", ann_);
    EXPECT_TRUE(changed.ok()) << changed.status();
  }

  SettableClock clock_;
  std::optional<SweepJudge> judge_;
};

TEST_F(SweepJudgeTest, AChangedCellBecomesAFindingAndCellsThatStayDoNot) {
  Nights({10e6, 10e6, 10e6});
  EXPECT_THAT(Findings(), IsEmpty());
  const auto runs = Sweep({.median_ns = 12e6, .driver = "580"});
  judge_->JudgeAll();
  ASSERT_THAT(Findings(), SizeIs(1));
  const v1::CellFinding finding = Findings()[0];
  EXPECT_EQ(finding.state(), v1::CELL_FINDING_NEW);
  EXPECT_EQ(finding.user(), "ann");
  EXPECT_EQ(finding.suite(), "night");
  EXPECT_EQ(finding.subject().run_id(), runs[0]);
  EXPECT_NEAR(finding.ratio(), 1.2, 0.002);
  EXPECT_FALSE(finding.against_baseline());
  EXPECT_EQ(finding.found_at_ns(), clock_.WallNs());
  ASSERT_EQ(finding.changes_size(), 1);
  EXPECT_EQ(finding.changes(0).name(), "driver");
  EXPECT_EQ(finding.changes(0).before(), "570");
  EXPECT_EQ(finding.changes(0).after(), "580");
}

TEST_F(SweepJudgeTest, TheSameCellMakesNoSecondOneAndIsSeenAgain) {
  Nights({10e6, 10e6, 10e6, 12e6});
  const int64_t seen_at_ns = Findings().at(0).seen_at_ns();
  Nights({12e6, 12e6});
  ASSERT_THAT(Findings(), SizeIs(1));
  EXPECT_GT(Findings()[0].seen_at_ns(), seen_at_ns);
}

TEST_F(SweepJudgeTest, WhatVanishesIsClosedByItselfAndTheReturnIsNoFinding) {
  Nights({10e6, 10e6, 10e6, 12e6, 10e6, 10e6, 10e6});
  ASSERT_THAT(Findings(), SizeIs(1));
  EXPECT_EQ(Findings()[0].state(), v1::CELL_FINDING_FIXED);
  EXPECT_GT(Findings()[0].closed_at_ns(), 0);
  Nights({12e6});
  ASSERT_THAT(Findings(), SizeIs(2));
  EXPECT_EQ(Findings()[0].state(), v1::CELL_FINDING_NEW);
}

TEST_F(SweepJudgeTest, FasterIsAFindingToo) {
  Nights({10e6, 10e6, 10e6, 8e6});
  EXPECT_NEAR(Findings().at(0).ratio(), 0.8, 0.002);
}

TEST_F(SweepJudgeTest, AnIgnoredOneStaysSoUntilItBecomesLarger) {
  Nights({10e6, 10e6, 10e6, 12e6});
  Set(v1::CELL_FINDING_IGNORED, "the new driver");
  Nights({12e6, 11.5e6});
  ASSERT_THAT(Findings(), SizeIs(1));
  EXPECT_EQ(Findings()[0].state(), v1::CELL_FINDING_IGNORED);
  EXPECT_NEAR(Findings()[0].ratio(), 1.2, 0.002) << "as it was when it was ignored";
  Nights({14e6});
  ASSERT_THAT(Findings(), SizeIs(1));
  EXPECT_EQ(Findings()[0].state(), v1::CELL_FINDING_NEW);
  EXPECT_EQ(Findings()[0].why(), "the new driver");
  EXPECT_NEAR(Findings()[0].ratio(), 1.4, 0.002);
}

TEST_F(SweepJudgeTest, AChangeTheOtherWayIsAnotherFinding) {
  Nights({10e6, 10e6, 10e6, 12e6, 8e6});
  ASSERT_THAT(Findings(), SizeIs(2));
  EXPECT_EQ(Findings()[1].state(), v1::CELL_FINDING_FIXED);
  EXPECT_NEAR(Findings()[0].ratio(), 0.8, 0.002);
}

TEST_F(SweepJudgeTest, WhatWasCalledFixedAndIsNotIsFoundAgain) {
  Nights({10e6, 10e6, 10e6, 12e6});
  Set(v1::CELL_FINDING_FIXED, "rolled back");
  judge_->JudgeAll();
  EXPECT_THAT(Findings(), SizeIs(1)) << "nothing was measured since";
  Nights({12e6});
  EXPECT_THAT(Findings(), SizeIs(2));
}

TEST_F(SweepJudgeTest, ContaminatedAndInvalidRunsDoNotCount) {
  Nights({10e6, 10e6, 10e6});
  Sweep({.median_ns = 12e6, .validity = v1::VALIDITY_CONTAMINATED});
  judge_->JudgeAll();
  EXPECT_THAT(Findings(), IsEmpty());
  Invalidate(Sweep({.median_ns = 12e6}));
  judge_->JudgeAll();
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(SweepJudgeTest, AFindingWhoseRunsAreDeclaredInvalidVanishes) {
  Nights({10e6, 10e6, 10e6});
  const auto runs = Sweep({.median_ns = 12e6});
  judge_->JudgeAll();
  ASSERT_EQ(Findings().at(0).state(), v1::CELL_FINDING_NEW);
  Invalidate(runs);
  judge_->JudgeAll();
  ASSERT_THAT(Findings(), SizeIs(1));
  EXPECT_EQ(Findings()[0].state(), v1::CELL_FINDING_FIXED);
}

TEST_F(SweepJudgeTest, SweepsThatNoSuiteMadeFindNothingButAreHistory) {
  for (int i = 0; i < 3; ++i) Sweep({.suite = ""});
  Sweep({.median_ns = 12e6, .suite = ""});
  judge_->JudgeAll();
  EXPECT_THAT(Findings(), IsEmpty());
  Nights({12e6});
  EXPECT_THAT(Findings(), IsEmpty()) << "it was so when the suite came";
  Nights({14e6});
  EXPECT_NEAR(Findings().at(0).ratio(), 14.0 / 12, 0.002);
}

TEST_F(SweepJudgeTest, AgainstTheBaselineOfTheOwner) {
  const auto reference = Sweep({.suite = ""});
  v1::RunFilter filter;
  for (const std::string& id : reference) filter.mutable_selector()->add_run_ids(id);
  ASSERT_TRUE(storage::BaselineStore(database_.get()).Replace(ann_, filter, {}, "because", 1).ok());
  Nights({11e6});
  ASSERT_THAT(Findings(), SizeIs(1));
  EXPECT_TRUE(Findings()[0].against_baseline());
  EXPECT_NEAR(Findings()[0].ratio(), 1.1, 0.002);
  Nights({10e6});
  EXPECT_EQ(Findings().at(0).state(), v1::CELL_FINDING_FIXED);
}

TEST_F(SweepJudgeTest, WhatEndedWithoutADaemonIsJudgedAtItsStart) {
  Nights({10e6, 10e6, 10e6});
  Sweep({.median_ns = 12e6});
  judge_.reset();
  Reopen();
  judge_.emplace(database_.get(), &clock_, false);
  judge_->JudgeAll();
  EXPECT_THAT(Findings(), SizeIs(1));
  judge_->JudgeAll();
  EXPECT_THAT(Findings(), SizeIs(1));
}

}  // namespace
}  // namespace torchlap::run
