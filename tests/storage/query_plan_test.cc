// What the planner makes of the statements that lists and the queue run: none walks through a whole
// table of jobs, runs or launches where it need not.
#include <SQLiteCpp/Database.h>
#include <sqlite3.h>

#include <functional>

#include "proto/suite_limits.h"
#include "storage/digest.h"
#include "storage/environments.h"
#include "storage/finding_store.h"
#include "storage/forecast_history.h"
#include "storage/past_medians.h"
#include "storage/series_points.h"
#include "storage/sqlite_connection.h"
#include "storage/sweep_list.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

// Not `SCAN run_kind`, which is short.
auto WalksRuns() { return testing::AnyOf("SCAN run", testing::StartsWith("SCAN run ")); }

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

int Remember(unsigned /*event*/, void* texts, void* statement, void* /*text*/) {
  const char* sql = sqlite3_sql(static_cast<sqlite3_stmt*>(statement));
  if (sql != nullptr) static_cast<std::vector<std::string>*>(texts)->push_back(sql);
  return 0;
}

class QueryPlan : public StoreTest {
 protected:
  // The plan of every statement that `ask` runs: one thread always gets the same reader.
  std::vector<std::string> PlanOf(const std::function<void()>& ask) {
    std::vector<std::string> texts;
    Trace(SQLITE_TRACE_STMT, &texts);
    ask();
    Trace(0, nullptr);
    std::vector<std::string> plan;
    EXPECT_TRUE(database_
                    ->Read([&](SQLite::Database& database) {
                      for (const std::string& text : texts) Explain(database, text, &plan);
                      return absl::OkStatus();
                    })
                    .ok());
    return plan;
  }
  std::vector<std::string> PlanOfRuns(const v1::RunFilter& filter, const JobFilter& selected = {},
                                      const std::string& token = "") {
    return PlanOf([&] { EXPECT_TRUE(runs_->List(filter, selected, false, 10, token).ok()); });
  }
  std::vector<std::string> PlanOfJobs(const JobFilter& filter) {
    return PlanOf([&] { EXPECT_TRUE(jobs_->List(filter).ok()); });
  }

 private:
  void Trace(unsigned events, std::vector<std::string>* texts) {
    EXPECT_TRUE(database_
                    ->Read([&](SQLite::Database& database) {
                      sqlite3_trace_v2(database.getHandle(), events, events ? Remember : nullptr,
                                       texts);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  static void Explain(SQLite::Database& database, const std::string& text,
                      std::vector<std::string>* plan) {
    if (!text.starts_with("SELECT")) return;
    Query rows(database, Once{"EXPLAIN QUERY PLAN " + text});
    while (rows.Step()) plan->push_back(rows.Text(3));
  }
};

TEST_F(QueryPlan, PagesOfTheQueueReadTheJobsThatTheyShow) {
  JobFilter filter;
  filter.states = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING};
  filter.after_job_id = 5;
  const std::vector<std::string> plan = PlanOfJobs(filter);
  EXPECT_THAT(plan,
              Contains("SEARCH job USING INDEX job_unfinished (state=? AND rowid>?)").Times(2));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("SCAN"))));
}

TEST_F(QueryPlan, JobsOfASelectionAreFoundByTheirIds) {
  JobFilter filter;
  filter.job_ids = {1, 2};
  filter.sweep_ids = {1};
  filter.states = {v1::JOB_STATE_FAILED};
  const std::vector<std::string> plan = PlanOfJobs(filter);
  EXPECT_THAT(plan, Contains("SEARCH job USING INTEGER PRIMARY KEY (rowid=?)"));
  EXPECT_THAT(plan, Contains(HasSubstr("job_by_sweep (sweep_id=?)")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("SCAN job"))));
}

TEST_F(QueryPlan, AllJobsAreWalkedByTheirIds) {
  const std::vector<std::string> plan = PlanOfJobs({});
  EXPECT_THAT(plan, Contains("SEARCH job USING INTEGER PRIMARY KEY (rowid>?)"));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
}

// Each kind of run has an entry of its own in the index, newest last.
TEST_F(QueryPlan, RunsOfAKindAreFoundByIt) {
  RunToEnd(MakeJob());
  v1::RunFilter filter;
  filter.set_since_ns(5);
  filter.add_outcomes(v1::OUTCOME_OK);
  filter.add_timings(v1::TIMING_SEPARATE);
  filter.add_purposes(v1::PURPOSE_MEASURE);
  filter.set_exclude_contaminated(true);
  filter.add_users("ann");
  filter.add_devices("cpu0");
  filter.add_model_sizes("small");
  const std::vector<std::string> plan = PlanOfRuns(filter, {}, "7.7");
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run USING COVERING INDEX run_by_kind (kind_id=?")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
  EXPECT_THAT(plan, Not(Contains(WalksRuns())));
}

TEST_F(QueryPlan, ThePastOfASeriesIsFoundByItsKindsNewestFirst) {
  RunToEnd(MakeJob());
  const std::vector<std::string> plan = PlanOf(
      [&] { EXPECT_TRUE(ReadPastMedians(*database_, "1.1", now_ns_, ann_.principal).ok()); });
  EXPECT_THAT(plan,
              Contains(HasSubstr("SEARCH run USING INDEX run_by_job (job_id=? AND number=?)")));
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run_kind USING COVERING INDEX "
                                       "sqlite_autoindex_run_kind_1 (asked_workload_id=?")));
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run USING INDEX run_by_kind (kind_id=? AND "
                                       "started_at_ns<?)")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("SCAN"))));
}

// 10,000 cells ask it as often.
TEST_F(QueryPlan, ThePastOfAWorkloadIsFoundByItsKindsNewestFirst) {
  RunToEnd(MakeJob());
  const std::string hash = MakeJob().workload_hash;
  const std::vector<std::string> plan =
      PlanOf([&] { EXPECT_TRUE(ReadPastLaunches(*database_, {hash}, ann_.principal).ok()); });
  EXPECT_THAT(plan, Contains(HasSubstr("INDEX workload_by_hash (workload_hash=?")));
  EXPECT_THAT(plan, Contains(HasSubstr("sqlite_autoindex_run_kind_1 (asked_workload_id=?")));
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run USING INDEX run_by_kind (kind_id=?")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("SCAN"))));
}

TEST_F(QueryPlan, ThePastOfADeviceIsReadFromItsNewestRunsOn) {
  RunToEnd(MakeJob());
  const std::vector<std::string> plan = PlanOf([&] {
    EXPECT_TRUE(ReadPastTimes(*database_, cpu0_.uuid, "").ok());
    EXPECT_TRUE(ReadNewestEnvironment(*database_, cpu0_).ok());
  });
  EXPECT_THAT(plan, Contains(HasSubstr("run USING INDEX run_by_start")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE FOR ORDER BY"))));
}

TEST_F(QueryPlan, EnvironmentsAreFoundByTheirHashes) {
  const std::vector<std::string> plan =
      PlanOf([&] { EXPECT_TRUE(ReadEnvironments(*database_, {"one"}).ok()); });
  EXPECT_THAT(plan, Contains(HasSubstr("(environment_hash=?)")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("SCAN"))));
}

TEST_F(QueryPlan, RunsOfATimeAreAnsweredFromTheIndexAlone) {
  RunToEnd(MakeJob());
  v1::RunFilter filter;
  filter.set_since_ns(5);
  const std::vector<std::string> plan = PlanOfRuns(filter, {}, "7.7");
  EXPECT_THAT(plan, Contains(HasSubstr("run USING COVERING INDEX run_by_start (started_at_ns")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE FOR ORDER BY"))));
}

// Whether a run was declared invalid is asked of the few that were; the index of all answers the
// rest alone.
TEST_F(QueryPlan, InvalidRunsAreLeftOutByAnIndexOfTheirOwn) {
  RunToEnd(MakeJob());
  v1::RunFilter of_time;
  of_time.set_since_ns(5);
  v1::RunFilter of_kind;
  of_kind.add_outcomes(v1::OUTCOME_OK);
  v1::RunFilter by_run;
  by_run.mutable_selector()->add_run_ids("1.1");
  for (v1::RunFilter filter : {of_time, of_kind, by_run}) {
    const std::string of_invalid = "SEARCH struck USING INDEX run_invalid (id=? AND rowid=?)";
    EXPECT_THAT(PlanOfRuns(filter), Contains(of_invalid));
    filter.set_include_invalid(true);
    const std::vector<std::string> with_invalid = PlanOfRuns(filter);
    EXPECT_THAT(with_invalid, Not(Contains(HasSubstr("run_invalid"))));
    EXPECT_THAT(with_invalid, Not(Contains(WalksRuns())));
  }
  const auto exported = PlanOf([&] {
    EXPECT_TRUE(runs_->Export({}, {}, false, [](const RunRows&) { return absl::OkStatus(); }).ok());
  });
  EXPECT_THAT(exported, Contains(HasSubstr("SEARCH struck USING INDEX run_invalid")));
}

TEST_F(QueryPlan, RunsOfASweepAreFoundByItsJobsAndInvalidOnesByTheirIndex) {
  RunToEnd(MakeJob());
  const auto plan = PlanOf([&] { EXPECT_TRUE(SweepList(database_.get()).List("", 10, "").ok()); });
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run USING INDEX run_by_job (job_id=?")));
  EXPECT_THAT(plan, Contains("SEARCH struck USING INDEX run_invalid (id=? AND rowid=?)"));
  EXPECT_THAT(plan, Not(Contains(WalksRuns())));
}

TEST_F(QueryPlan, RunsOfASelectionOrLabelAreFoundByTheirJob) {
  RunToEnd(MakeJob());
  JobFilter selected;
  selected.job_ids = {1};
  selected.sweep_ids = {1};
  v1::RunFilter by_label;
  (*by_label.mutable_labels())["k"] = "v";
  v1::RunFilter by_run;
  by_run.mutable_selector()->add_run_ids("1.1");
  for (const auto& plan : {PlanOfRuns({}, selected), PlanOfRuns(by_label), PlanOfRuns(by_run),
                           PlanOfRuns(by_run, selected)}) {
    EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run USING INDEX run_by_job (job_id=?")));
    EXPECT_THAT(plan, Not(Contains(WalksRuns())));
    EXPECT_THAT(plan, Not(Contains(testing::StartsWith("SCAN job"))));
  }
}

TEST_F(QueryPlan, RunsOfABaselineAreFoundByTheirJob) {
  RunToEnd(MakeJob());
  JobFilter selected;
  selected.baseline_of = ann_.principal;
  const std::vector<std::string> plan = PlanOfRuns({}, selected);
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH baseline USING PRIMARY KEY (owner_id=?)")));
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run USING INDEX run_by_job (job_id=?")));
  EXPECT_THAT(plan, Not(Contains(WalksRuns())));
}

TEST_F(QueryPlan, TheDigestReadsWhatStartedSinceAndAFewBefore) {
  RunToEnd(MakeJob());
  const std::vector<std::string> plan =
      PlanOf([&] { EXPECT_TRUE(ReadDigest(*database_, {.since_ns = 1}).ok()); });
  EXPECT_THAT(plan, Contains(HasSubstr("USING INDEX run_by_start (started_at_ns>?")));
  EXPECT_THAT(plan, Contains(HasSubstr("USING INDEX run_by_start (started_at_ns<?")));
  EXPECT_THAT(plan, Not(Contains(WalksRuns())));
}

TEST_F(QueryPlan, ACellIsJudgedByRunsOfItsKinds) {
  NewJob job = MakeJob();
  (*job.spec.mutable_labels())[kSuiteLabel] = "night";
  RunToEnd(job);
  const FindingStore store(database_.get());
  const std::vector<std::string> plan = PlanOf([&] {
    const auto sweeps = store.Ended();
    ASSERT_TRUE(sweeps.ok() && sweeps->size() == 1U);
    const auto series = store.SeriesOf(sweeps->front());
    ASSERT_TRUE(series.ok() && series->size() == 1U);
    EXPECT_TRUE(store.Past(sweeps->front(), series->front(), false).ok());
  });
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run USING INDEX run_by_kind (kind_id=?)")));
  EXPECT_THAT(plan, Contains(HasSubstr("cell_finding_cell (owner_id=? AND series_id=?)")));
  EXPECT_THAT(plan, Not(Contains(WalksRuns())));
  EXPECT_THAT(plan, Not(Contains(testing::StartsWith("SCAN job"))));
}

TEST_F(QueryPlan, PointsOfSeriesAreFoundByKindAndReadByTheirRow) {
  RunToEnd(MakeJob());
  const std::vector<std::string> plan = PlanOf(
      [&] { EXPECT_TRUE(ReadSeriesPoints(*database_, {}, {}, v1::PHASE_UNSPECIFIED).ok()); });
  EXPECT_THAT(plan, Contains(HasSubstr("SEARCH run USING COVERING INDEX run_by_kind (kind_id=?")));
  EXPECT_THAT(plan, Contains("SEARCH run USING INTEGER PRIMARY KEY (rowid=?)"));
  EXPECT_THAT(plan, Not(Contains(WalksRuns())));
}

// However many runs of other purposes the device has had.
TEST_F(QueryPlan, TheLatestCanaryIsTheFirstThatIsLookedAt) {
  RunToEnd(MakeJob());
  const auto plan = PlanOf([&] { EXPECT_TRUE(runs_->LatestCanaryNs("CPU-0").ok()); });
  EXPECT_THAT(plan,
              Contains(HasSubstr("run_by_purpose (device_id=? AND purpose>? AND purpose<?)")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
}

TEST_F(QueryPlan, AnExportGoesOnBehindItsLastRun) {
  RunToEnd(MakeJob());
  const std::vector<std::string> plan = PlanOf([&] {
    EXPECT_TRUE(runs_->Export({}, {}, false, [](const RunRows&) { return absl::OkStatus(); }).ok());
  });
  EXPECT_THAT(plan, Contains(HasSubstr("run USING INDEX run_by_job ((job_id,number)>(?,?)")));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
}

TEST_F(QueryPlan, AnExportOfASweepOrLabelGoesThroughItsJobs) {
  RunToEnd(MakeJob());
  JobFilter selected;
  selected.sweep_ids = {1};
  v1::RunFilter by_label;
  (*by_label.mutable_labels())["k"] = "v";
  const auto none = [](const RunRows&) { return absl::OkStatus(); };
  const auto of_sweep = PlanOf([&] { EXPECT_TRUE(runs_->Export({}, selected, true, none).ok()); });
  EXPECT_THAT(of_sweep, Contains(HasSubstr("job_by_sweep (sweep_id=? AND rowid>?)")));
  EXPECT_THAT(of_sweep, Contains(HasSubstr("SEARCH run USING INDEX run_by_job (job_id=?")));
  const auto of_label = PlanOf([&] { EXPECT_TRUE(runs_->Export(by_label, {}, true, none).ok()); });
  EXPECT_THAT(of_label, Contains(HasSubstr("label_by_value (k=? AND v=? AND job_id>?)")));
  for (const auto& plan : {of_sweep, of_label}) {
    EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
    EXPECT_THAT(plan, Not(Contains(WalksRuns())));
    EXPECT_THAT(plan, Not(Contains(testing::StartsWith("SCAN job"))));
  }
}

TEST_F(QueryPlan, TheQueueIsReadFromAnIndexAlone) {
  const std::vector<std::string> plan = PlanOf([&] { EXPECT_TRUE(jobs_->Queue().ok()); });
  EXPECT_THAT(plan, Contains("SEARCH launch USING COVERING INDEX launch_order (state=?)").Times(2));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
}

// Whose each launch is stands in the index, too: however many owners wait.
TEST_F(QueryPlan, TheQueueOfSeveralOwnersIsReadFromAnIndexAlone) {
  ASSERT_TRUE(jobs_->Submit(ann_, "", "", "", {MakeJob()}, {42}, ++now_ns_).ok());
  ASSERT_TRUE(jobs_->Submit(bob_, "", "", "", {MakeJob()}, {42}, ++now_ns_).ok());
  constexpr size_t kQueued = 100'000;
  ASSERT_TRUE(
      database_
          ->Write([](SQLite::Database& database) {
            database.exec(
                "WITH RECURSIVE n (i) AS (VALUES (3) UNION ALL SELECT i + 1 FROM n WHERE i < "
                "100000) INSERT INTO job (id, sweep_id, owner_id, workload_id, spec, launches, "
                "seed, state) SELECT i, sweep_id, 1 + i % 2, workload_id, spec, launches, seed, 1 "
                "FROM n JOIN job ON job.id = 1");
            database.exec(
                "INSERT INTO launch (job_id, launch, sweep_id, owner_id, priority, device_key, "
                "state, batch_size, context_length, cause) SELECT id, 0, sweep_id, owner_id, 0, "
                "'class:cpu', 1, 1, 1, 1 FROM job WHERE id > 2");
            return absl::OkStatus();
          })
          .ok());
  size_t entries = 0;
  const std::vector<std::string> plan = PlanOf([&] {
    const auto queued = jobs_->Queue();
    ASSERT_TRUE(queued.ok()) << queued.status();
    entries = queued->entries.size();
  });
  EXPECT_EQ(entries, kQueued);
  EXPECT_THAT(plan, Contains("SEARCH launch USING COVERING INDEX launch_order (state=?)").Times(2));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("TEMP B-TREE"))));
  EXPECT_THAT(plan, Not(Contains(HasSubstr("SCAN launch"))));
}

}  // namespace
}  // namespace torchlap::storage
