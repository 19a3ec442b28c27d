#include <google/protobuf/util/message_differencer.h>

#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::HasSubstr;

class JobStoreFinish : public StoreTest {};

TEST_F(JobStoreFinish, WhatIsSetAsideIsOverAndStaysToBeLookedAt) {
  const uint64_t job = SubmitOne(MakeJob("small", 3));
  AfterRun set_aside;
  set_aside.next = AfterRun::Next::kSetAside;
  set_aside.reason = "its earlier runs cannot be read";
  EXPECT_EQ(Finish(Ended(Start(job), v1::OUTCOME_INTERRUPTED), set_aside), v1::JOB_STATE_FAILED);
  EXPECT_EQ(Get(job).reason(), "its earlier runs cannot be read");
  EXPECT_EQ(Get(job).interruptions(), 0U);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM launch WHERE state = 3"), 3);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run WHERE outcome IS NULL"), 0);
  EXPECT_TRUE(Heads().empty());
}

TEST_F(JobStoreFinish, AJobWhoseOnlyLaunchIsDoneSucceeded) {
  const uint64_t id = SubmitOne(MakeJob());
  EXPECT_EQ(Finish(Ended(Start(id)), LaunchDone()), v1::JOB_STATE_SUCCEEDED);
  const v1::Job job = Get(id);
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.finished_at_ns(), now_ns_);
  EXPECT_EQ(job.launches_done(), 1u);
  EXPECT_EQ(job.reason(), "");
  ASSERT_EQ(job.runs_size(), 1);
  EXPECT_EQ(job.runs(0).outcome(), v1::OUTCOME_OK);
  EXPECT_EQ(job.runs(0).forward().mean_ns(), 10e6);
  EXPECT_TRUE(Heads().empty());
}

TEST_F(JobStoreFinish, ARunIsFinishedOnlyOnce) {
  const uint64_t id = SubmitOne(MakeJob());
  const FinishedRun finished = Ended(Start(id));
  Finish(finished, LaunchDone());
  const int64_t events = SelectInt("SELECT count(*) FROM job_event");
  FinishedRun other = finished;
  other.run.set_outcome(v1::OUTCOME_CRASHED);
  const absl::Status again = jobs_->FinishRun(other, JobFailed("late"), now_ns_).status();
  EXPECT_EQ(again.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(again.message()), HasSubstr("finished already"));
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Get(id).runs(0).outcome(), v1::OUTCOME_OK);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job_event"), events);
}

TEST_F(JobStoreFinish, ARunThatIsNotThereIsNotFound) {
  FinishedRun finished;
  finished.run.set_job_id(5);
  finished.run.set_number(1);
  finished.run.set_outcome(v1::OUTCOME_OK);
  const absl::Status status = jobs_->FinishRun(finished, LaunchDone(), now_ns_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("5.1"));
}

TEST_F(JobStoreFinish, ARunWithoutOutcomeIsRefused) {
  const StartedRun started = Start(SubmitOne(MakeJob()));
  const absl::Status status =
      jobs_->FinishRun(Ended(started, v1::OUTCOME_UNSPECIFIED), LaunchDone(), now_ns_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(JobStoreFinish, TheLadderTriesAgainWithItsSizesInTheOldPlace) {
  const Submitted s = Submit({MakeJob("small", 8, 256), MakeJob("medium")});
  const uint64_t position = Heads().at(0).position;
  EXPECT_EQ(Finish(Ended(Start(s.job_ids[0]), v1::OUTCOME_OUT_OF_MEMORY), TryAgain(4, 256)),
            v1::JOB_STATE_QUEUED);
  ASSERT_EQ(Heads().size(), 1u);
  EXPECT_EQ(Heads()[0].job_id, s.job_ids[0]);
  EXPECT_EQ(Heads()[0].position, position);
  const StartedRun second = Start(s.job_ids[0]);
  EXPECT_EQ(second.run.number(), 2u);
  EXPECT_EQ(second.run.cause(), v1::CAUSE_OOM_RETRY);
  EXPECT_EQ(second.run.workload().transformer_lm().batch_size(), 4u);
  EXPECT_EQ(second.run.workload().transformer_lm().context_length(), 256u);
  EXPECT_EQ(second.run.requested_batch_size(), 8u);
  EXPECT_EQ(Finish(Ended(second), LaunchDone()), v1::JOB_STATE_SUCCEEDED);
  const v1::Job job = Get(s.job_ids[0]);
  ASSERT_EQ(job.runs_size(), 2);
  EXPECT_EQ(job.runs(0).outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(job.runs(0).workload_hash(), HashOf(MakeJob("small", 8, 256).spec.workload()));
  EXPECT_EQ(job.runs(1).workload_hash(), HashOf(MakeJob("small", 4, 256).spec.workload()));
  EXPECT_EQ(job.runs(1).requested_batch_size(), 8u);
  EXPECT_EQ(job.interruptions(), 0u);
}

TEST_F(JobStoreFinish, AFailedJobKeepsItsReasonAndLosesItsQueuedLaunches) {
  const uint64_t id = SubmitOne(MakeJob("small", 3));
  EXPECT_EQ(Finish(Ended(Start(id), v1::OUTCOME_CRASHED), JobFailed("signal 11")),
            v1::JOB_STATE_FAILED);
  EXPECT_EQ(Get(id).reason(), "signal 11");
  EXPECT_EQ(Get(id).finished_at_ns(), now_ns_);
  EXPECT_TRUE(Heads().empty());
  EXPECT_EQ(SelectInt("SELECT count(*) FROM launch"), 0);
}

TEST_F(JobStoreFinish, AJobSucceedsWithItsLastLaunch) {
  const uint64_t id = SubmitOne(MakeJob("small", 2));
  EXPECT_EQ(Finish(Ended(Start(id, 0)), LaunchDone()), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Get(id).launches_done(), 1u);
  const StartedRun second = Start(id, 1);
  EXPECT_EQ(second.run.launch(), 1u);
  EXPECT_EQ(second.run.cause(), v1::CAUSE_FIRST);
  EXPECT_EQ(Finish(Ended(second), LaunchDone()), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(JobStoreFinish, AJobRunsAsLongAsOneOfItsLaunchesRuns) {
  const uint64_t id = SubmitOne(MakeJob("small", 3));
  const StartedRun first = Start(id, 0);
  const StartedRun second = Start(id, 1);
  EXPECT_EQ(Finish(Ended(first), LaunchDone()), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Finish(Ended(second), LaunchDone()), v1::JOB_STATE_QUEUED);
}

TEST_F(JobStoreFinish, ALaunchThatEndsAfterItsJobFailedIsStoredAndChangesNothing) {
  const uint64_t id = SubmitOne(MakeJob("small", 2));
  const StartedRun first = Start(id, 0);
  const StartedRun second = Start(id, 1);
  EXPECT_EQ(Finish(Ended(first, v1::OUTCOME_CRASHED), JobFailed("signal 11")),
            v1::JOB_STATE_FAILED);
  EXPECT_EQ(Finish(Ended(second, v1::OUTCOME_OUT_OF_MEMORY), TryAgain(1, 128)),
            v1::JOB_STATE_FAILED);
  EXPECT_EQ(Get(id).reason(), "signal 11");
  EXPECT_EQ(Get(id).runs(1).outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_TRUE(Heads().empty());
}

TEST_F(JobStoreFinish, LaterLaunchesUseTheSizeThatTheFirstOneReached) {
  const uint64_t id = SubmitOne(MakeJob("small", 3));
  Finish(Ended(Start(id, 0), v1::OUTCOME_OUT_OF_MEMORY), TryAgain(2, 128));
  Finish(Ended(Start(id, 0)), LaunchDone());
  for (const uint32_t launch : {1u, 2u}) {
    const StartedRun started = Start(id, launch);
    EXPECT_EQ(started.run.workload().transformer_lm().batch_size(), 2u);
    EXPECT_EQ(started.run.workload().transformer_lm().context_length(), 128u);
    Finish(Ended(started), LaunchDone());
  }
}

TEST_F(JobStoreFinish, ARunOfADaemonThatDiedIsInterruptedAndQueuedAgain) {
  const Submitted s = Submit({MakeJob("small", 8, 256), MakeJob("medium")});
  Finish(Ended(Start(s.job_ids[0]), v1::OUTCOME_OUT_OF_MEMORY), TryAgain(4, 256));
  Start(s.job_ids[0]);
  Reopen();
  EXPECT_EQ(jobs_->RecoverInterrupted(++now_ns_).value(), 1u);
  v1::Job job = Get(s.job_ids[0]);
  EXPECT_EQ(job.state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(job.interruptions(), 1u);
  EXPECT_EQ(job.runs(1).outcome(), v1::OUTCOME_INTERRUPTED);
  EXPECT_FALSE(job.runs(1).has_duration_ns());
  ASSERT_FALSE(Heads().empty());
  EXPECT_EQ(Heads()[0].job_id, s.job_ids[0]) << "in its old place, before medium";
  const StartedRun again = Start(s.job_ids[0]);
  EXPECT_EQ(again.run.cause(), v1::CAUSE_INTERRUPTION);
  EXPECT_EQ(again.run.workload().transformer_lm().batch_size(), 4u) << "the size it had reached";
  EXPECT_EQ(Finish(Ended(again), LaunchDone()), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(jobs_->RecoverInterrupted(++now_ns_).value(), 0u);
}

TEST_F(JobStoreFinish, AnInterruptedRunOfTheAskedSizeKeepsItsHash) {
  const NewJob job = MakeJob();
  Start(SubmitOne(job));
  Reopen();
  ASSERT_TRUE(jobs_->RecoverInterrupted(++now_ns_).ok());
  EXPECT_EQ(SelectText("SELECT workload_hash FROM runs"), job.workload_hash);
}

TEST_F(JobStoreFinish, AJobFailsAtTheLimitOfInterruptions) {
  const uint64_t id = SubmitOne(MakeJob());
  for (const v1::JobState state : {v1::JOB_STATE_QUEUED, v1::JOB_STATE_FAILED}) {
    Start(id);
    Reopen(2);
    ASSERT_TRUE(jobs_->RecoverInterrupted(++now_ns_).ok());
    EXPECT_EQ(Get(id).state(), state);
  }
  EXPECT_EQ(Get(id).interruptions(), 2u);
  EXPECT_EQ(Get(id).reason(), "interrupted 2 times, max_interruptions is 2");
  EXPECT_TRUE(Heads().empty());
}

TEST_F(JobStoreFinish, WithoutALimitAJobIsQueuedAgainHoweverOftenItIsInterrupted) {
  const uint64_t id = SubmitOne(MakeJob());
  Reopen(0);
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(Finish(Ended(Start(id), v1::OUTCOME_INTERRUPTED), Interrupted()),
              v1::JOB_STATE_QUEUED);
  }
  EXPECT_EQ(Get(id).interruptions(), 30u);
}

TEST_F(JobStoreFinish, ACleanStopDoesNotCountAsInterruption) {
  const uint64_t id = SubmitOne(MakeJob());
  Finish(Ended(Start(id), v1::OUTCOME_INTERRUPTED), TryAgain(4, 256));
  EXPECT_EQ(Get(id).interruptions(), 0u);
  EXPECT_EQ(Start(id).run.cause(), v1::CAUSE_INTERRUPTION);
}

TEST_F(JobStoreFinish, DeviceTimeOfAnOwnerHalvesInADay) {
  const Submitted s = Submit({MakeJob(), MakeJob()});
  Finish(Ended(Start(s.job_ids[0])), LaunchDone());
  EXPECT_NEAR(Heads().at(0).owner_recent_device_ns, 1e9, 1);
  now_ns_ += 24ll * 3600 * 1'000'000'000;
  EXPECT_NEAR(Heads().at(0).owner_recent_device_ns, 0.5e9, 1);
}

TEST_F(JobStoreFinish, TheRollUpEqualsTheSumsOverTheRuns) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  RunToEnd(MakeJob("medium"));
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  const uint64_t marked = SubmitOne(MakeJob());
  FinishedRun contaminated = Ended(Start(marked));
  contaminated.run.set_validity(v1::VALIDITY_CONTAMINATED);
  contaminated.run.clear_forward();
  Finish(contaminated, LaunchDone());
  Start(SubmitOne(MakeJob()));
  Reopen();
  ASSERT_TRUE(jobs_->RecoverInterrupted(++now_ns_).ok());

  const std::string kept =
      "SELECT workload_id, timing, purpose, outcome, validity, runs, forward_runs, "
      "forward_mean_ns_sum, backward_mean_ns_sum, step_runs, step_mean_ns_sum FROM run_rollup";
  const std::string counted =
      "SELECT workload_id, timing, purpose, outcome, ifnull(validity, 0), count(*), "
      "count(forward_mean_ns), total(forward_mean_ns), total(backward_mean_ns), "
      "count(step_mean_ns), total(step_mean_ns) FROM run GROUP BY 1, 2, 3, 4, 5";
  const auto difference = [](const std::string& a, const std::string& b) {
    return "SELECT count(*) FROM (SELECT * FROM (" + a + ") EXCEPT SELECT * FROM (" + b + "))";
  };
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run_rollup"), 5);
  EXPECT_EQ(SelectInt(difference(kept, counted)), 0);
  EXPECT_EQ(SelectInt(difference(counted, kept)), 0);
  EXPECT_EQ(SelectInt("SELECT max(runs) FROM run_rollup"), 2);
  EXPECT_EQ(jobs_->Count()->finished_runs, 6u);
}

// Of one workload: what the roll-up says of its OK runs, all verdicts together.
struct OkSums {
  int64_t runs = 0;
  int64_t forward_runs = 0;
  double forward_ms = 0;
};

class JobStoreFinishAgain : public JobStoreFinish {
 protected:
  // A run of the launch that took so long in its forward phase.
  void Try(uint64_t job_id, uint32_t launch, double forward_ms, v1::Validity validity,
           const AfterRun& after) {
    FinishedRun finished = Ended(Start(job_id, launch));
    finished.run.mutable_forward()->set_mean_ns(forward_ms * 1e6);
    finished.run.set_validity(validity);
    Finish(finished, after);
  }
  void Contaminated(uint64_t job_id, uint32_t launch, double forward_ms) {
    Try(job_id, launch, forward_ms, v1::VALIDITY_CONTAMINATED, TryAgain(4, 256));
  }
  void Clean(uint64_t job_id, uint32_t launch, double forward_ms) {
    Try(job_id, launch, forward_ms, v1::VALIDITY_CLEAN, LaunchDone());
  }
  OkSums Sums() {
    OkSums sums;
    const std::string of_ok = " FROM run_rollup WHERE outcome = 1";
    sums.runs = SelectInt("SELECT sum(runs)" + of_ok);
    sums.forward_runs = SelectInt("SELECT sum(forward_runs)" + of_ok);
    sums.forward_ms = std::stod(SelectText("SELECT sum(forward_mean_ns_sum) / 1e6" + of_ok));
    return sums;
  }
};

TEST_F(JobStoreFinishAgain, ATryThatWasRunAgainIsNoLaunchInTheRollUp) {
  const uint64_t id = SubmitOne(MakeJob("small", 3));
  Contaminated(id, 0, 740);
  Contaminated(id, 0, 900);
  Clean(id, 0, 406);
  Clean(id, 1, 444);
  Contaminated(id, 2, 700);
  Clean(id, 2, 440);
  const OkSums sums = Sums();
  EXPECT_EQ(sums.runs, 6) << "all of them finished";
  EXPECT_EQ(sums.forward_runs, 3);
  EXPECT_DOUBLE_EQ(sums.forward_ms, 406 + 444 + 440);
  EXPECT_EQ(jobs_->Count()->finished_runs, 6u);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run_rollup WHERE validity = 4 AND "
                      "(forward_runs <> 0 OR forward_mean_ns_sum <> 0 OR step_runs <> 0)"),
            0);
}

TEST_F(JobStoreFinishAgain, TheLastTryStandsForItsLaunchEvenIfItIsContaminated) {
  const uint64_t id = SubmitOne(MakeJob("small", 2));
  Contaminated(id, 0, 740);
  Try(id, 0, 800, v1::VALIDITY_CONTAMINATED, LaunchDone());
  Clean(id, 1, 400);
  const OkSums sums = Sums();
  EXPECT_EQ(sums.forward_runs, 2);
  EXPECT_DOUBLE_EQ(sums.forward_ms, 800 + 400);
}

TEST_F(JobStoreFinishAgain, ATryThatFailedTakesNothingAway) {
  const uint64_t id = SubmitOne(MakeJob());
  Contaminated(id, 0, 740);
  Finish(Ended(Start(id), v1::OUTCOME_CRASHED), JobFailed("crashed"));
  const OkSums sums = Sums();
  EXPECT_EQ(sums.forward_runs, 1);
  EXPECT_DOUBLE_EQ(sums.forward_ms, 740);
}

TEST_F(JobStoreFinishAgain, EverySizeThatAFitTriesIsAFinding) {
  NewJob job = MakeJob();
  job.spec.set_purpose(v1::PURPOSE_FIT);
  const uint64_t id = SubmitOne(job);
  Try(id, 0, 10, v1::VALIDITY_CLEAN, TryAgain(8, 256));
  Clean(id, 0, 20);
  EXPECT_EQ(Sums().forward_runs, 2);
}

TEST_F(JobStoreFinish, AnEnvironmentIsStoredOnceForEachHash) {
  v1::Environment environment;
  environment.set_environment_hash("e1");
  environment.set_torch_version("2.11.0");
  (*environment.mutable_variables())["OMP_NUM_THREADS"] = "1";
  std::vector<uint64_t> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(SubmitOne(MakeJob()));
    FinishedRun finished = Ended(Start(ids.back()));
    finished.run.set_environment_hash("e1");
    finished.environment = environment;
    Finish(finished, LaunchDone());
  }
  EXPECT_EQ(SelectInt("SELECT count(*) FROM environment"), 1);
  for (const uint64_t id : ids) {
    const absl::StatusOr<v1::RunDetail> detail = runs_->Get(std::to_string(id) + ".1");
    ASSERT_TRUE(detail.ok()) << detail.status();
    EXPECT_TRUE(
        google::protobuf::util::MessageDifferencer::Equals(detail->environment(), environment));
    EXPECT_EQ(detail->run().environment_hash(), "e1");
  }
}

TEST_F(JobStoreFinish, WhatTheDeviceSaidOfTheMeasuredStepsIsKept) {
  const uint64_t id = SubmitOne(MakeJob());
  FinishedRun finished = Ended(Start(id));
  v1::DeviceSummary& summary = *finished.run.mutable_device_summary();
  summary.set_energy_per_step_j(117.25);
  summary.set_energy_per_token_mj(114.5);
  summary.set_energy_source(v1::ENERGY_SOURCE_INTEGRATED);
  summary.set_power_mean_watts(251.5);
  summary.set_power_peak_watts(299.75);
  summary.set_sm_clock_mean_mhz(1410.5);
  summary.set_sm_clock_peak_mhz(1755);
  summary.set_temperature_mean_celsius(61.5);
  summary.set_temperature_peak_celsius(64);
  Finish(finished, LaunchDone());
  const absl::StatusOr<v1::RunDetail> detail = runs_->Get(std::to_string(id) + ".1");
  ASSERT_TRUE(detail.ok()) << detail.status();
  EXPECT_TRUE(
      google::protobuf::util::MessageDifferencer::Equals(detail->run().device_summary(), summary));
  EXPECT_EQ(SelectText("SELECT energy_source || ' ' || power_peak_watts FROM runs"),
            "integrated 299.75");
}

TEST_F(JobStoreFinish, AFullDiskLeavesTheRunUnfinishedAndAllElseAsItWas) {
  const uint64_t id = SubmitOne(MakeJob());
  FinishedRun finished = Ended(Start(id));
  for (int i = 0; i < 100'000; ++i) finished.samples.add_step_ns(31'000'000 + i);
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    const int64_t pages = *storage::SelectInt(database, "PRAGMA page_count");
                    storage::SelectInt(database,
                                       "PRAGMA max_page_count = " + std::to_string(pages + 2));
                    return absl::OkStatus();
                  })
                  .ok());
  const absl::Status status = jobs_->FinishRun(finished, LaunchDone(), ++now_ns_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run_rollup"), 0);
  Reopen();  // where there is room again
  Finish(finished, LaunchDone());
  EXPECT_EQ(runs_->Samples(finished.run.run_id())->step_ns_size(), 100'002);
}

TEST_F(JobStoreFinish, ATraceIsOneMoreRunAfterAllThatIsMeasured) {
  NewJob traced = MakeJob();
  traced.spec.mutable_plan()->set_trace(true);
  const Submitted submitted = Submit({traced, MakeJob()});
  const uint64_t first = submitted.job_ids[0];
  const uint64_t second = submitted.job_ids[1];
  const StartedRun measured = Start(first);
  EXPECT_EQ(measured.run.purpose(), v1::PURPOSE_MEASURE);
  EXPECT_EQ(Finish(Ended(measured), LaunchDone()), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Heads().at(0).job_id, second);
  Finish(Ended(Start(second)), LaunchDone());
  const StartedRun trace = Start(first, 1);
  EXPECT_EQ(trace.run.purpose(), v1::PURPOSE_TRACE);
  EXPECT_EQ(trace.run.plan().launches(), 1u);
  EXPECT_EQ(Finish(Ended(trace), LaunchDone()), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Get(first).launches_done(), 1u);
}

}  // namespace
}  // namespace torchlap::storage
