#include "storage/run_words.h"

#include <optional>

#include "storage/filter_limits.h"
#include "storage/rollup.h"
#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

class RunWordsTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    words_.emplace(database_.get());
  }
  // Of bob, ended.
  uint64_t BobsJob() {
    const auto submitted = jobs_->Submit(bob_, "", "", "", {MakeJob()}, {42}, ++now_ns_);
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    Finish(Ended(Start(submitted->job_ids[0])), LaunchDone());
    return submitted->job_ids[0];
  }
  static JobFilter Jobs(const std::vector<uint64_t>& ids) {
    JobFilter filter;
    filter.job_ids = ids;
    return filter;
  }
  static v1::RunFilter Runs(const std::vector<std::string>& ids) {
    v1::RunFilter filter;
    for (const std::string& id : ids) filter.mutable_selector()->add_run_ids(id);
    return filter;
  }
  static v1::RunFilter WithInvalid() {
    v1::RunFilter filter;
    filter.set_include_invalid(true);
    return filter;
  }
  std::vector<std::string> Listed(const v1::RunFilter& filter, const JobFilter& selected = {}) {
    const absl::StatusOr<RunPage> page = runs_->List(filter, selected, true, 50, "");
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<std::string> ids;
    for (const v1::Run& run : page->runs) ids.push_back(run.run_id());
    return ids;
  }
  std::vector<std::string> Exported(const v1::RunFilter& filter, const JobFilter& selected = {}) {
    std::vector<std::string> ids;
    const absl::Status status = runs_->Export(filter, selected, true, [&](const RunRows& rows) {
      for (const v1::Run& run : rows) {
        ids.push_back(run.run_id().empty() ? "job " + std::to_string(run.job_id()) : run.run_id());
      }
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return ids;
  }
  uint32_t Invalidate(const std::vector<std::string>& ids, const std::string& reason = "fan") {
    const absl::StatusOr<uint32_t> runs = words_->Invalidate(Runs(ids), {}, reason, ann_);
    EXPECT_TRUE(runs.ok()) << runs.status();
    return runs.value_or(0);
  }

  // Of each group of the roll-up: finished runs, those that the times are of, and the steps' sum.
  std::string Sums() {
    return SelectText(
        "SELECT group_concat(ifnull(validity, 0) || ': ' || runs || ' ' || step_runs || ' ' || "
        "step_mean_ns_sum, ', ') FROM (SELECT * FROM run_rollup ORDER BY 1, 2, 3, 4, 5)");
  }
  // As they would be from nothing but the runs.
  std::string SumsCountedAnew() {
    EXPECT_TRUE(database_
                    ->Write([&](SQLite::Database& database) {
                      CountRollupAnew(database);
                      return absl::OkStatus();
                    })
                    .ok());
    return Sums();
  }
  // A run of the job's first launch.
  void Try(uint64_t job_id, v1::Validity validity, double mean_ns, const AfterRun& after) {
    FinishedRun finished = Ended(Start(job_id));
    finished.run.mutable_step()->set_mean_ns(mean_ns);
    finished.run.set_validity(validity);
    Finish(finished, after);
  }

  std::optional<RunWords> words_;
};

TEST_F(RunWordsTest, InvalidRunsAreLeftOutUnlessTheyAreAskedForOrNamed) {
  for (int i = 0; i < 3; ++i) RunToEnd(MakeJob());
  EXPECT_EQ(Invalidate({"2.1"}, "the fan had failed"), 1u);
  EXPECT_EQ(runs_->Get("2.1")->run().invalid_reason(), "the fan had failed");
  v1::RunFilter of_kind;
  of_kind.add_outcomes(v1::OUTCOME_OK);
  v1::RunFilter of_time;
  of_time.set_since_ns(1);
  for (v1::RunFilter filter : {v1::RunFilter(), of_kind, of_time}) {
    EXPECT_THAT(Listed(filter), ElementsAre("1.1", "3.1"));
    EXPECT_THAT(Exported(filter), ElementsAre("1.1", "3.1"));
    EXPECT_THAT(Exported(filter, Jobs({1, 2})), ElementsAre("1.1"));
    filter.set_include_invalid(true);
    EXPECT_THAT(Listed(filter), ElementsAre("1.1", "2.1", "3.1"));
    EXPECT_THAT(Exported(filter), ElementsAre("1.1", "2.1", "3.1"));
    EXPECT_THAT(Exported(filter, Jobs({1, 2})), ElementsAre("1.1", "2.1"));
  }
  // By its own name; that of another does not include it.
  EXPECT_THAT(Listed(Runs({"2.1"})), ElementsAre("2.1"));
  EXPECT_THAT(Listed(Runs({"1.1"}), Jobs({2})), ElementsAre("1.1"));
  EXPECT_THAT(Exported(Runs({"2.1", "3.1"})), ElementsAre("2.1", "3.1"));
}

TEST_F(RunWordsTest, AJobThatWaitsStaysARowBesideInvalidRuns) {
  RunToEnd(MakeJob());
  SubmitOne(MakeJob());
  Invalidate({"1.1"});
  EXPECT_THAT(Exported({}, Jobs({1, 2})), ElementsAre("job 2"));
}

TEST_F(RunWordsTest, WhatIsUndoneIsValidAgain) {
  for (int i = 0; i < 2; ++i) RunToEnd(MakeJob());
  Invalidate({"1.1"});
  // All of both are chosen, and one was not valid.
  const auto undone = words_->Invalidate({}, Jobs({1, 2}), "", ann_);
  ASSERT_TRUE(undone.ok()) << undone.status();
  EXPECT_EQ(*undone, 1u);
  EXPECT_THAT(Listed({}), ElementsAre("1.1", "2.1"));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE invalid_reason IS NOT NULL"), 0);
  EXPECT_EQ(words_->Invalidate({}, Jobs({1, 2}), "", ann_).value_or(7), 0u);
}

TEST_F(RunWordsTest, SumsOverRunsAreOfThoseThatAreValid) {
  for (int i = 0; i < 2; ++i) RunToEnd(MakeJob());
  EXPECT_EQ(Sums(), "0: 2 2 62000000.0");
  Invalidate({"1.1"});
  EXPECT_EQ(Sums(), "0: 2 1 31000000.0");
  Invalidate({"1.1"}, "another reason");
  EXPECT_EQ(Sums(), "0: 2 1 31000000.0") << "it is not taken out twice";
  Invalidate({"1.1", "2.1"});
  EXPECT_EQ(Sums(), "0: 2 0 0.0");
  EXPECT_EQ(SumsCountedAnew(), "0: 2 0 0.0");
  EXPECT_EQ(words_->Invalidate({}, Jobs({1, 2}), "", ann_).value_or(7), 2u);
  EXPECT_EQ(Sums(), "0: 2 2 62000000.0");
  EXPECT_EQ(words_->Invalidate({}, Jobs({1, 2}), "", ann_).value_or(7), 0u);
  EXPECT_EQ(Sums(), "0: 2 2 62000000.0") << "nor put in twice";
  EXPECT_EQ(SumsCountedAnew(), "0: 2 2 62000000.0");
}

TEST_F(RunWordsTest, ATryStandsForItsLaunchWhereTheOneAfterItIsInvalid) {
  const uint64_t job = SubmitOne(MakeJob());
  Try(job, v1::VALIDITY_CONTAMINATED, 100, TryAgain(4, 256));
  Try(job, v1::VALIDITY_CLEAN, 10, LaunchDone());
  const std::string both_valid = "1: 1 1 10.0, 4: 1 0 0.0";
  EXPECT_EQ(Sums(), both_valid);
  Invalidate({"1.2"});
  EXPECT_EQ(Sums(), "1: 1 0 0.0, 4: 1 1 100.0");
  EXPECT_EQ(SumsCountedAnew(), "1: 1 0 0.0, 4: 1 1 100.0");
  Invalidate({"1.1"});
  EXPECT_EQ(Sums(), "1: 1 0 0.0, 4: 1 0 0.0");
  EXPECT_EQ(words_->Invalidate(Runs({"1.2"}), {}, "", ann_).value_or(7), 1u);
  EXPECT_EQ(Sums(), both_valid);
  EXPECT_EQ(words_->Invalidate(Runs({"1.1"}), {}, "", ann_).value_or(7), 1u);
  EXPECT_EQ(Sums(), both_valid);
  EXPECT_EQ(SumsCountedAnew(), both_valid);
}

TEST_F(RunWordsTest, AnInvalidTryIsNotTakenOutOfTheSumsAgainByTheNextOne) {
  const uint64_t job = SubmitOne(MakeJob());
  Try(job, v1::VALIDITY_CONTAMINATED, 70, TryAgain(4, 256));
  Try(job, v1::VALIDITY_CONTAMINATED, 100, TryAgain(4, 256));
  EXPECT_EQ(Sums(), "4: 2 1 100.0");
  Invalidate({"1.2"});
  EXPECT_EQ(Sums(), "4: 2 1 70.0");
  Try(job, v1::VALIDITY_CLEAN, 10, LaunchDone());
  EXPECT_EQ(Sums(), "1: 1 1 10.0, 4: 2 0 0.0");
  EXPECT_EQ(SumsCountedAnew(), "1: 1 1 10.0, 4: 2 0 0.0");
}

TEST_F(RunWordsTest, WhatMayNotBeDeclaredInvalidStaysInTheSums) {
  BobsJob();
  const std::string before = Sums();
  EXPECT_EQ(words_->Invalidate({}, Jobs({1}), "fan", ann_).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Sums(), before);
}

TEST_F(RunWordsTest, AnInvalidRunIsNothingToCompareWith) {
  NewJob calibration = MakeJob();
  calibration.spec.mutable_workload()->mutable_calibration()->set_matrix_size(64);
  calibration.spec.set_purpose(v1::PURPOSE_CALIBRATE);
  calibration.workload_hash = "c0ffee";
  for (int i = 0; i < 2; ++i) {
    FinishedRun finished;
    finished.run = Start(SubmitOne(calibration)).run;
    finished.run.set_outcome(v1::OUTCOME_OK);
    finished.run.mutable_calibration()->add_matmul_peaks()->set_flops_per_s(1e9);
    Finish(finished, LaunchDone());
  }
  EXPECT_EQ((*runs_->LatestCalibration("CPU-0"))->run_id(), "2.1");
  Invalidate({"2.1"});
  EXPECT_EQ((*runs_->LatestCalibration("CPU-0"))->run_id(), "1.1");

  FinishedRun measured = Ended(Start(SubmitOne(MakeJob())));
  measured.run.set_flops_per_s(1e9);
  measured.run.set_actual_measure_steps(10);
  Finish(measured, LaunchDone());
  EXPECT_EQ((*runs_->BestSibling(measured.run, 10))->run_id, "3.1");
  Invalidate({"3.1"});
  EXPECT_FALSE(runs_->BestSibling(measured.run, 10)->has_value());

  for (const v1::Outcome outcome : {v1::OUTCOME_OUT_OF_MEMORY, v1::OUTCOME_OK}) {
    NewJob fit = MakeJob("small", outcome == v1::OUTCOME_OK ? 8 : 16, 256);
    fit.spec.set_purpose(v1::PURPOSE_FIT);
    Finish(Ended(Start(SubmitOne(fit)), outcome), LaunchDone());
  }
  const v1::Run asked = Start(SubmitOne(MakeJob("small", 32, 256))).run;
  EXPECT_TRUE(runs_->FindFrontier(asked)->has_value());
  Invalidate({"4.1"});
  EXPECT_FALSE(runs_->FindFrontier(asked)->has_value());
}

TEST_F(RunWordsTest, ANoteReplacesTheOneBeforeAndIsTakenAway) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  ASSERT_EQ(words_->Note({}, Jobs({1}), "first", ann_).value_or(0), 1u);
  ASSERT_EQ(words_->Note({}, Jobs({1, 2}), "two\nlines", ann_).value_or(0), 2u);
  EXPECT_EQ(runs_->Get("1.1")->run().note(), "two\nlines");
  ASSERT_TRUE(words_->Note(Runs({"1.1"}), {}, "", ann_).ok());
  EXPECT_EQ(runs_->Get("1.1")->run().note(), "");
  EXPECT_EQ(SelectText("SELECT note FROM runs WHERE run_id = '2.1'"), "two\nlines");
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE note IS NULL"), 1);
}

TEST_F(RunWordsTest, AnInvalidRunOfAJobGetsItsNoteToo) {
  RunToEnd(MakeJob());
  Invalidate({"1.1"});
  ASSERT_EQ(words_->Note({}, Jobs({1}), "see the log", ann_).value_or(0), 1u);
  EXPECT_EQ(runs_->Get("1.1")->run().note(), "see the log");
}

TEST_F(RunWordsTest, OnlyFinishedRunsGetWords) {
  const StartedRun started = Start(SubmitOne(MakeJob()));
  const auto none = words_->Note({}, Jobs({1}), "early", ann_);
  EXPECT_EQ(none.status(), absl::NotFoundError("no finished run is chosen, must be one at least"));
  EXPECT_TRUE(absl::IsNotFound(words_->Invalidate(Runs({"1.1"}), {}, "early", ann_).status()));
  Finish(Ended(started), LaunchDone());
  EXPECT_EQ(runs_->Get("1.1")->run().note(), "");
}

TEST_F(RunWordsTest, AnothersRunLeavesAllOfThemUnchanged) {
  RunToEnd(MakeJob());
  const uint64_t bobs = BobsJob();
  const auto chosen = Jobs({1, bobs});
  const auto note = words_->Note({}, chosen, "mine", ann_);
  EXPECT_EQ(note.status(), absl::PermissionDeniedError(
                               "run 2.1 belongs to bob; only its owner or an admin may note it"));
  const auto invalid = words_->Invalidate({}, chosen, "bad", ann_);
  EXPECT_EQ(invalid.status(),
            absl::PermissionDeniedError(
                "run 2.1 belongs to bob; only its owner or an admin may invalidate it"));
  const auto label = words_->Label({}, chosen, {{{"k", "v"}}, {}}, ann_);
  EXPECT_EQ(label.status(), absl::PermissionDeniedError(
                                "job 2 belongs to bob; only its owner or an admin may label it"));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE note IS NOT NULL "
                      "OR invalid_reason IS NOT NULL"),
            0);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM label"), 0);
  EXPECT_EQ(words_->Note({}, chosen, "checked", root_).value_or(0), 2u);
  EXPECT_EQ(words_->Label({}, chosen, {{{"k", "v"}}, {}}, root_).value_or(0), 2u);
}

TEST_F(RunWordsTest, LabelsAreOfTheJobWhateverItsRunsAre) {
  RunToEnd(MakeJob());                           // job 1, ended
  Start(SubmitOne(MakeJob()));                   // job 2, runs
  SubmitOne(MakeJob());                          // job 3, waits
  const uint64_t invalid = RunToEnd(MakeJob());  // job 4
  Invalidate({std::to_string(invalid) + ".1"});
  const auto labelled = words_->Label({}, Jobs({1, 2, 3, 4}), {{{"card", "A"}}, {}}, ann_);
  ASSERT_TRUE(labelled.ok()) << labelled.status();
  EXPECT_EQ(*labelled, 4u);
  for (uint64_t job = 1; job <= 4; ++job) {
    EXPECT_THAT(Get(job).spec().labels(), UnorderedElementsAre(Pair("card", "A")));
  }
  v1::RunFilter by_label = WithInvalid();
  (*by_label.mutable_labels())["card"] = "A";
  EXPECT_THAT(Listed(by_label), ElementsAre("1.1", "4.1"));
  // Beside a run that is named, a job without one.
  EXPECT_EQ(words_->Label(Runs({"1.1"}), Jobs({3}), {{{"k", "v"}}, {}}, ann_).value_or(0), 2u);
  EXPECT_EQ(Get(3).spec().labels().at("k"), "v");
  EXPECT_EQ(Get(2).spec().labels().count("k"), 0u);
}

TEST_F(RunWordsTest, LabelsAreReplacedAndTakenAway) {
  NewJob job = MakeJob();
  (*job.spec.mutable_labels())["card"] = "A";
  (*job.spec.mutable_labels())["old\x1b"] = "1";  // of a program that took it
  RunToEnd(job);
  const LabelChange change = {{{"card", "B"}, {"new", "2"}}, {"old\\x1b", "not there"}};
  ASSERT_TRUE(words_->Label({}, Jobs({1}), change, ann_).ok());
  EXPECT_THAT(Get(1).spec().labels(), UnorderedElementsAre(Pair("card", "B"), Pair("new", "2")));
  EXPECT_EQ(SelectText("SELECT labels FROM runs"), R"({"card":"B","new":"2"})");
  ASSERT_TRUE(words_->Label({}, Jobs({1}), {{}, {"card", "new"}}, ann_).ok());
  EXPECT_THAT(Get(1).spec().labels(), IsEmpty());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM label"), 0);
}

TEST_F(RunWordsTest, OneJobWithTooManyLabelsKeepsAllAsTheyWere) {
  RunToEnd(MakeJob());
  NewJob full = MakeJob();
  for (int i = 0; i < kMostLabels; ++i) {
    (*full.spec.mutable_labels())["k" + std::to_string(i)] = "v";
  }
  RunToEnd(full);
  const auto one_more = words_->Label({}, Jobs({1, 2}), {{{"one", "more"}}, {}}, ann_);
  EXPECT_EQ(one_more.status(),
            absl::InvalidArgumentError("job 2 would have 21 labels, must be at most 20"));
  EXPECT_THAT(Get(1).spec().labels(), IsEmpty());
  EXPECT_TRUE(words_->Label({}, Jobs({1, 2}), {{{"one", "more"}}, {"k0"}}, ann_).ok());
}

TEST_F(RunWordsTest, MoreJobsThanACallMayLabelAreCountedAndKeepTheirLabels) {
  for (int i = 0; i < 3; ++i) RunToEnd(MakeJob());
  RunWords words(database_.get(), 2);
  const auto refused = words.Label({}, Jobs({1, 2, 3}), {{{"k", "v"}}, {}}, ann_);
  EXPECT_EQ(refused.status(),
            absl::InvalidArgumentError(
                "3 jobs are chosen, must be at most 2 at a time: narrow the filter"));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM label"), 0);
  EXPECT_EQ(words.Label({}, Jobs({1, 2}), {{{"k", "v"}}, {}}, ann_).value_or(0), 2u);
  EXPECT_EQ(words.Note({}, Jobs({1, 2, 3}), "n", ann_).value_or(0), 3u) << "one statement";
}

TEST_F(RunWordsTest, LabelsThatAreSoAreNotWrittenAgain) {
  NewJob job = MakeJob();
  (*job.spec.mutable_labels())["card"] = "A";
  (*job.spec.mutable_labels())["rack"] = "7";
  RunToEnd(job);
  RunToEnd(MakeJob());
  Break(
      "CREATE TRIGGER written BEFORE UPDATE ON job WHEN old.id = 1 "
      "BEGIN SELECT RAISE(ABORT, 'written'); END");
  const LabelChange so = {{{"card", "A"}}, {"not there"}};
  const auto labelled = words_->Label({}, Jobs({1, 2}), so, ann_);
  ASSERT_TRUE(labelled.ok()) << labelled.status();
  EXPECT_EQ(*labelled, 2u);
  EXPECT_THAT(Get(1).spec().labels(), UnorderedElementsAre(Pair("card", "A"), Pair("rack", "7")));
  EXPECT_THAT(Get(2).spec().labels(), UnorderedElementsAre(Pair("card", "A")));
  const LabelChange other_value = {{{"card", "B"}}, {}};
  const LabelChange without = {{}, {"rack"}};
  for (const LabelChange& change : {other_value, without}) {
    EXPECT_FALSE(words_->Label({}, Jobs({1}), change, ann_).ok()) << "it was to be written";
  }
  Break("DROP TRIGGER written");
  EXPECT_TRUE(words_->Label({}, Jobs({1}), other_value, ann_).ok());
  EXPECT_EQ(Get(1).spec().labels().at("card"), "B");
}

TEST_F(RunWordsTest, ADamagedJobIsSaidAndChangesNone) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  Break("UPDATE job SET spec = x'ff' WHERE id = 2");
  const auto damaged = words_->Label({}, Jobs({1, 2}), {{{"k", "v"}}, {}}, ann_);
  EXPECT_TRUE(absl::IsDataLoss(damaged.status())) << damaged.status();
  EXPECT_THAT(std::string(damaged.status().message()), HasSubstr("job 2"));
  EXPECT_THAT(Get(1).spec().labels(), IsEmpty());
}

}  // namespace
}  // namespace torchlap::storage
