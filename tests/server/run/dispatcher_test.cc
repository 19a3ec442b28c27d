// Real threads and a real database; the workers are scripted and the clock is set.
#include "server/run/dispatcher.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/server/run/run_fixture.h"

namespace torchlap::run {
namespace {

using testing::HasSubstr;

constexpr int64_t kSecondNs = 1'000'000'000;

class DispatcherTest : public RunTest {};

storage::NewJob FitJob() {
  storage::NewJob job = storage::MakeJob("small", 4, 256);
  job.spec.set_purpose(v1::PURPOSE_FIT);
  job.spec.set_fit_axis(v1::FIT_AXIS_BATCH);
  return job;
}

TEST_F(DispatcherTest, ALaunchIsRunAndStored) {
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  EXPECT_EQ(dispatcher->Describe().state(), v1::DEVICE_STATE_IDLE);
  const uint64_t job = SubmitOne(storage::MakeJob());
  dispatcher->Wake();
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  ASSERT_TRUE(worker->AwaitRequest());
  EXPECT_EQ(dispatcher->Describe().state(), v1::DEVICE_STATE_RUNNING);
  EXPECT_EQ(dispatcher->Describe().run_id(), std::to_string(job) + ".1");
  EXPECT_EQ(dispatcher->Describe().user(), "ann");
  LiveWell(worker.get(), worker->request());
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_TRUE(Await([&] { return dispatcher->Describe().user().empty(); }));
  EXPECT_EQ(Get(job).runs(0).outcome(), v1::OUTCOME_OK);
  EXPECT_TRUE(Get(job).runs(0).has_step());
}

TEST_F(DispatcherTest, WithoutRoomForAWorkerItPausesHoweverOftenItIsWoken) {
  stage_.FailNextStarts(absl::ResourceExhaustedError("socketpair: Too many open files"), 3);
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(storage::MakeJob());
  const int64_t began_ns = clock_.MonotonicNs();
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 2 * kSecondNs));
  EXPECT_EQ(stage_.starts(), 1);
  for (int i = 0; i < 50; ++i) {
    const uint64_t sleeps = clock_.sleeps();
    dispatcher->Wake();
    ASSERT_TRUE(clock_.AwaitSleeps(sleeps + 1));
  }
  EXPECT_EQ(stage_.starts(), 1);
  EXPECT_EQ(dispatcher->Describe().state(), v1::DEVICE_STATE_UNAVAILABLE);
  EXPECT_THAT(dispatcher->Describe().detail(), HasSubstr("Too many open files"));

  clock_.Advance(2 * kSecondNs);
  ASSERT_TRUE(stage_.AwaitStarts(2));
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 6 * kSecondNs)) << "the second pause is longer";
  clock_.Advance(4 * kSecondNs);
  ASSERT_TRUE(stage_.AwaitStarts(3));
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 14 * kSecondNs));
  clock_.Advance(8 * kSecondNs);
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  ASSERT_TRUE(worker->AwaitRequest());
  LiveWell(worker.get(), worker->request());
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  ASSERT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_IDLE; }));
  EXPECT_EQ(dispatcher->Describe().detail(), "");
  EXPECT_EQ(Get(job).interruptions(), 0U) << "lack of room is no fault of the job";
  EXPECT_EQ(Get(job).runs_size(), 4);
  EXPECT_THAT(Get(job).runs(0).failure().detail(), HasSubstr("Too many open files"));
}

TEST_F(DispatcherTest, AWorkerThatFindsNoRoomForItsThreadsIsStartedAgainAfterAPause) {
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(storage::MakeJob());
  const int64_t began_ns = clock_.MonotonicNs();
  dispatcher->Start();
  const auto first = stage_.AwaitWorker();
  ASSERT_NE(first, nullptr);
  ASSERT_TRUE(first->AwaitRequest());
  v1::WorkerEvent failed;
  failed.mutable_failed()->set_outcome(v1::OUTCOME_CRASHED);
  failed.mutable_failed()->mutable_failure()->set_detail("Resource temporarily unavailable");
  first->Say(Hello());
  first->Say(failed);
  first->Exit(0);
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 2 * kSecondNs));
  EXPECT_EQ(dispatcher->Describe().state(), v1::DEVICE_STATE_UNAVAILABLE);
  EXPECT_THAT(dispatcher->Describe().detail(), HasSubstr("no room for the worker"));
  stage_.PlayByThemselves();
  clock_.Advance(2 * kSecondNs);
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(Get(job).interruptions(), 0U);
}

TEST_F(DispatcherTest, APauseEndsAtOnceWhenTheDaemonStops) {
  stage_.FailNextStarts(absl::ResourceExhaustedError("fork: Cannot allocate memory"), 1);
  const uint64_t job = SubmitOne(storage::MakeJob());
  const int64_t began_ns = clock_.MonotonicNs();
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 2 * kSecondNs));
  dispatcher->Stop();
  dispatcher->Join();
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(DispatcherTest, AWorkerThatCanNeverStartFailsTheJobAtOnce) {
  stage_.FailNextStarts(absl::UnavailableError("cannot start the worker: no such file"), 1);
  const uint64_t job = SubmitOne(storage::MakeJob());
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_FAILED));
  EXPECT_EQ(Get(job).runs(0).outcome(), v1::OUTCOME_CRASHED);
  EXPECT_THAT(Get(job).reason(), HasSubstr("no such file"));
}

TEST_F(DispatcherTest, AnUnusableDeviceFailsTheJobWithItsProblem) {
  stage_.FailNextStarts(absl::FailedPreconditionError("driver 535.161 is too old"), 1);
  const uint64_t job = SubmitOne(storage::MakeJob());
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_FAILED));
  EXPECT_EQ(Get(job).runs(0).outcome(), v1::OUTCOME_CUDA_ERROR);
}

// A fit whose first try fitted, and cannot be read when the second one begins.
class UnreadableHistoryTest : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    job_ = SubmitOne(FitJob());
    storage::FinishedRun first = storage::Ended(Start(job_));
    first.run.mutable_assessment()->mutable_advice();
    storage::AfterRun again = storage::TryAgain(8, 256);
    again.cause = v1::CAUSE_FIT;
    Finish(first, again);
  }
  void Begin() {
    dispatcher_ = MakeDispatcher();
    began_ns_ = clock_.MonotonicNs();
    dispatcher_->Start();
  }
  // Reading a finished run fails, and no row is damaged.
  void FailReading() {
    const std::string of_view = "sqlite_schema WHERE name = 'run_row'";
    view_ = SelectText("SELECT sql FROM " + of_view);
    ReplaceView(SelectText(
        "SELECT replace(sql, '(SELECT boot_id FROM boot WHERE id = run.boot) AS boot_id, "
        "job.spec', 'json(iif(run.outcome IS NULL, ''1'', ''{'')) AS boot_id, job.spec') FROM " +
        of_view));
  }
  void HealReading() { ReplaceView(view_); }
  void ExpectSetAsideAndTheNextOneToRun() {
    const uint64_t next = SubmitOne(storage::MakeJob());
    stage_.PlayByThemselves();
    Begin();
    ASSERT_TRUE(AwaitState(next, v1::JOB_STATE_SUCCEEDED));
    EXPECT_EQ(stage_.starts(), 1) << "nothing is run as if it were the first";
    const std::string of_job = " WHERE job_id = " + std::to_string(job_);
    EXPECT_EQ(SelectInt("SELECT state FROM job WHERE id = " + std::to_string(job_)),
              v1::JOB_STATE_FAILED);
    EXPECT_EQ(SelectInt("SELECT state FROM launch" + of_job), 3) << "set aside";
    EXPECT_EQ(SelectInt("SELECT outcome FROM run" + of_job + " AND number = 2"),
              v1::OUTCOME_INTERRUPTED);
    EXPECT_THAT(SelectText("SELECT reason FROM job WHERE id = " + std::to_string(job_)),
                HasSubstr("was set aside: its earlier runs cannot be read: "));
    EXPECT_EQ(dispatcher_->trouble().why, "");
    EXPECT_EQ(dispatcher_->Describe().detail(), "");
  }

  uint64_t job_ = 0;
  int64_t began_ns_ = 0;
  std::unique_ptr<Dispatcher> dispatcher_;

 private:
  void ReplaceView(const std::string& sql) { ExecuteSql("DROP VIEW run_row; " + sql); }

  std::string view_;
};

TEST_F(UnreadableHistoryTest, ADamagedAssessmentDoesNotHoldTheDevice) {
  ExecuteSql("INSERT OR REPLACE INTO assessment (run_id, message) SELECT id, x'ff' FROM run");
  ExpectSetAsideAndTheNextOneToRun();
}

TEST_F(UnreadableHistoryTest, ADamagedCalibrationDoesNotHoldTheDevice) {
  ExecuteSql(
      "INSERT INTO calibration (run_id, device_id, message) SELECT id, device_id, x'ff' FROM run");
  ExpectSetAsideAndTheNextOneToRun();
}

TEST_F(UnreadableHistoryTest, NothingIsRunAsIfItWereTheFirst) {
  FailReading();
  Begin();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 2 * kSecondNs));
  EXPECT_EQ(stage_.starts(), 0);
  EXPECT_THAT(dispatcher_->Describe().detail(), HasSubstr("cannot read the job's earlier runs"));
  EXPECT_NE(dispatcher_->trouble().why, "");

  HealReading();
  clock_.Advance(2 * kSecondNs);
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  ASSERT_TRUE(worker->AwaitRequest());
  EXPECT_EQ(worker->request().workload().transformer_lm().batch_size(), 8U);
  EXPECT_EQ(dispatcher_->trouble().why, "") << "it was read";
  worker->Say(Hello());
  worker->Say(Built());
  worker->Say(OutOfMemoryEvent());
  worker->Exit(1);
  // Between the 4 that fitted and the 8 that did not. A search that had forgotten would try 4.
  const auto next = stage_.AwaitWorker();
  ASSERT_NE(next, nullptr);
  ASSERT_TRUE(next->AwaitRequest());
  EXPECT_EQ(next->request().workload().transformer_lm().batch_size(), 6U);
}

TEST_F(UnreadableHistoryTest, AStopLeavesTheLaunchToTheNextDaemon) {
  FailReading();
  Begin();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 2 * kSecondNs));
  dispatcher_->Stop();
  dispatcher_->Join();
  EXPECT_EQ(stage_.starts(), 0);
  ASSERT_TRUE(jobs_->RecoverInterrupted(++now_ns_).ok());
  HealReading();
  EXPECT_EQ(Get(job_).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(DispatcherTest, RetriesOfAContaminatedRunAreCountedOn) {
  storage::NewJob contaminated = storage::MakeJob();
  contaminated.spec.mutable_plan()->set_retry_contaminated(2);
  const uint64_t job = SubmitOne(contaminated);
  storage::FinishedRun first = storage::Ended(Start(job));
  first.run.set_validity(v1::VALIDITY_CONTAMINATED);
  storage::AfterRun again = storage::TryAgain(4, 256);
  again.cause = v1::CAUSE_CONTAMINATION;
  Finish(first, again);
  stage_.PlayByThemselves();
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(Get(job).runs(1).contaminated_tries(), 1U);
}

TEST_F(DispatcherTest, ARunThatCannotBeStoredIsKeptUntilItCan) {
  const uint64_t job = SubmitOne(storage::MakeJob());
  ExecuteSql(
      "CREATE TRIGGER full BEFORE UPDATE OF outcome ON run "
      "BEGIN SELECT RAISE(FAIL, 'the disk is full'); END");
  stage_.PlayByThemselves();
  const int64_t began_ns = clock_.MonotonicNs();
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 2 * kSecondNs));
  EXPECT_EQ(dispatcher->Describe().state(), v1::DEVICE_STATE_RUNNING);
  EXPECT_THAT(dispatcher->Describe().detail(), HasSubstr("cannot store the run"));
  EXPECT_EQ(dispatcher->trouble().unstored_job_id, job);
  EXPECT_THAT(dispatcher->trouble().why, HasSubstr("the disk is full"));
  ExecuteSql("DROP TRIGGER full");
  clock_.Advance(2 * kSecondNs);
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(Get(job).runs_size(), 1);
  EXPECT_TRUE(Await([&] { return dispatcher->trouble().why.empty(); }));
}

TEST_F(DispatcherTest, ARunThatCannotBeStoredAtTheStopIsRunAgainByTheNextDaemon) {
  const uint64_t job = SubmitOne(storage::MakeJob());
  ExecuteSql(
      "CREATE TRIGGER full BEFORE UPDATE OF outcome ON run "
      "BEGIN SELECT RAISE(FAIL, 'the disk is full'); END");
  stage_.PlayByThemselves();
  const int64_t began_ns = clock_.MonotonicNs();
  auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 2 * kSecondNs));
  dispatcher.reset();
  ExecuteSql("DROP TRIGGER full");
  ASSERT_TRUE(jobs_->RecoverInterrupted(++now_ns_).ok());
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
  dispatcher = MakeDispatcher();
  dispatcher->Start();
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
}

TEST_F(DispatcherTest, AQueueThatCannotBeReadIsReadAgainAfterAPause) {
  const uint64_t job = SubmitOne(storage::MakeJob());
  ExecuteSql("ALTER TABLE launch RENAME TO gone");
  stage_.PlayByThemselves();
  const int64_t began_ns = clock_.MonotonicNs();
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 2 * kSecondNs));
  EXPECT_THAT(dispatcher->trouble().why, HasSubstr("no such table"));
  EXPECT_EQ(dispatcher->trouble().unstored_job_id, 0U);
  ExecuteSql("ALTER TABLE gone RENAME TO launch");
  clock_.Advance(2 * kSecondNs);
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(dispatcher->trouble().why, "");
}

TEST_F(DispatcherTest, ALaunchThatCanNeverStartIsSetAsideAndTheNextOneRuns) {
  const char* losses[] = {"UPDATE job SET state = 3", "UPDATE job SET spec = x'ff'",
                          "DELETE FROM job"};
  stage_.PlayByThemselves();
  for (const std::string loss : losses) {
    const uint64_t lost = SubmitOne(storage::MakeJob());
    const uint64_t next = SubmitOne(storage::MakeJob());
    ExecuteSql(loss + " WHERE id = " + std::to_string(lost));
    const auto dispatcher = MakeDispatcher();
    dispatcher->Start();
    EXPECT_TRUE(AwaitState(next, v1::JOB_STATE_SUCCEEDED)) << loss;
    EXPECT_EQ(dispatcher->trouble().why, "");
  }
}

TEST_F(DispatcherTest, ARunWhoseJobIsGoneDoesNotHoldTheDevice) {
  const uint64_t job = SubmitOne(storage::MakeJob());
  const uint64_t next = SubmitOne(storage::MakeJob());
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  ASSERT_TRUE(worker->AwaitRequest());
  ExecuteSql("DELETE FROM job WHERE id = " + std::to_string(job));
  stage_.PlayByThemselves();
  worker->Say(Hello());
  worker->Say(Built());
  worker->Say(OutOfMemoryEvent());
  worker->Exit(1);
  EXPECT_TRUE(AwaitState(next, v1::JOB_STATE_SUCCEEDED));
}

TEST_F(DispatcherTest, AStopAgainstAStartEndsTheWorkerAndQueuesTheLaunchAgain) {
  const uint64_t job = SubmitOne(storage::MakeJob());
  const auto dispatcher = MakeDispatcher();
  stage_.OnStart([&](const std::string&) { dispatcher->Stop(); });
  dispatcher->Start();
  dispatcher->Join();
  const auto worker = stage_.AwaitWorker();
  ASSERT_NE(worker, nullptr);
  EXPECT_EQ(worker->terminations(), 1);
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(Get(job).runs(0).outcome(), v1::OUTCOME_INTERRUPTED);
  EXPECT_EQ(Get(job).interruptions(), 0U) << "a clean stop does not count";
}

TEST_F(DispatcherTest, ACancellationBetweenTakingAndStartingIsNotLost) {
  const uint64_t job = SubmitOne(storage::MakeJob());
  const auto dispatcher = MakeDispatcher();
  stage_.OnStart([&](const std::string&) {
    ASSERT_TRUE(jobs_->Cancel({job}, ann_, now_ns_ + 5).ok());
    dispatcher->Wake();
  });
  dispatcher->Start();
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_CANCELLED));
  EXPECT_EQ(Get(job).runs(0).outcome(), v1::OUTCOME_CANCELLED);
}

TEST_F(DispatcherTest, ACancellationAgainstTheEndOfARunGivesOneOfTheTwo) {
  const auto dispatcher = MakeDispatcher();
  dispatcher->Start();
  for (int round = 0; round < 40; ++round) {
    const uint64_t job = SubmitOne(storage::MakeJob());
    dispatcher->Wake();
    const auto worker = stage_.AwaitWorker();
    ASSERT_NE(worker, nullptr);
    ASSERT_TRUE(worker->AwaitRequest());
    std::thread ends([&] { LiveWell(worker.get(), worker->request()); });
    std::thread cancels([&] {
      EXPECT_TRUE(jobs_->Cancel({job}, ann_, 1'800'000'000'000'000'000).ok());
      dispatcher->Wake();
    });
    ends.join();
    cancels.join();
    ASSERT_TRUE(Await([&] { return Get(job).state() > v1::JOB_STATE_RUNNING; }));
    const v1::Job ended = Get(job);
    ASSERT_EQ(ended.runs_size(), 1);
    if (ended.state() == v1::JOB_STATE_SUCCEEDED) {
      EXPECT_EQ(ended.runs(0).outcome(), v1::OUTCOME_OK);
    } else {
      EXPECT_EQ(ended.state(), v1::JOB_STATE_CANCELLED);
      EXPECT_EQ(ended.runs(0).outcome(), v1::OUTCOME_CANCELLED);
    }
  }
}

TEST_F(DispatcherTest, ADeviceThatAnotherHasIsTakenWhenThatOneEnds) {
  FileDescriptor gone(::eventfd(0, EFD_CLOEXEC));
  const FileDescriptor end(::dup(gone.get()));
  auto place = Place();
  place->HoldByAnother(std::move(gone));
  Dispatcher dispatcher(std::move(place), Setting());
  const uint64_t job = SubmitOne(storage::MakeJob());
  stage_.PlayByThemselves();
  dispatcher.Start();
  EXPECT_EQ(dispatcher.Describe().state(), v1::DEVICE_STATE_CLAIMED);
  EXPECT_EQ(dispatcher.Describe().detail(), "claimed by pid 812, user ann");
  ASSERT_TRUE(clock_.AwaitSleepUntil(Clock::kNever));
  EXPECT_EQ(stage_.starts(), 0);
  const uint64_t one = 1;
  ASSERT_EQ(::write(end.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
}

// The state of a device when watchers were last told that something had changed.
class ToldState {
 public:
  void Add(v1::DeviceState state) {
    const std::lock_guard lock(mutex_);
    latest_ = state;
    changed_.notify_all();
  }
  // False: not in ten seconds.
  bool Await(v1::DeviceState state) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return latest_ == state; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  v1::DeviceState latest_ = v1::DEVICE_STATE_UNSPECIFIED;
};

TEST_F(DispatcherTest, WatchersAreToldThatADeviceIsClaimedAndThatItIsFree) {
  FileDescriptor gone(::eventfd(0, EFD_CLOEXEC));
  const FileDescriptor end(::dup(gone.get()));
  auto place = Place();
  place->HoldByAnother(std::move(gone));
  ToldState told;
  Dispatcher dispatcher(std::move(place), Setting());
  hub_.Add([&](const v1::Progress*) { told.Add(dispatcher.Describe().state()); });
  dispatcher.Start();
  EXPECT_TRUE(told.Await(v1::DEVICE_STATE_CLAIMED));
  const uint64_t one = 1;
  ASSERT_EQ(::write(end.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_TRUE(told.Await(v1::DEVICE_STATE_IDLE));
}

TEST_F(DispatcherTest, WatchersAreToldThatADeviceCannotBeUsedNowAndThatItCan) {
  stage_.FailNextStarts(absl::ResourceExhaustedError("socketpair: Too many open files"), 1);
  ToldState told;
  const auto dispatcher = MakeDispatcher();
  hub_.Add([&](const v1::Progress*) { told.Add(dispatcher->Describe().state()); });
  const uint64_t job = SubmitOne(storage::MakeJob());
  const int64_t began_ns = clock_.MonotonicNs();
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 2 * kSecondNs));
  EXPECT_TRUE(told.Await(v1::DEVICE_STATE_UNAVAILABLE));
  stage_.PlayByThemselves();
  clock_.Advance(2 * kSecondNs);
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_TRUE(told.Await(v1::DEVICE_STATE_IDLE));
}

TEST_F(DispatcherTest, AClaimThatMayLapseIsLookedAtAgain) {
  FileDescriptor gone(::eventfd(0, EFD_CLOEXEC));
  const FileDescriptor stays(::dup(gone.get()));  // its holder does not end
  auto place = Place();
  place->HoldByAnother(std::move(gone), /*may_lapse=*/true);
  Dispatcher dispatcher(std::move(place), Setting());
  const uint64_t job = SubmitOne(storage::MakeJob());
  stage_.PlayByThemselves();
  const int64_t began_ns = clock_.MonotonicNs();
  dispatcher.Start();
  EXPECT_EQ(dispatcher.Describe().state(), v1::DEVICE_STATE_CLAIMED);
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 30 * kSecondNs));
  EXPECT_EQ(stage_.starts(), 0);
  clock_.Advance(30 * kSecondNs);
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
}

class BusyDeviceTest : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    stage_.PlayByThemselves();
    now_ns_ = clock_.WallNs();  // of what is submitted
    stage_.SetOthers(Others());
  }

  static host::ForeignWork Others() {
    host::ForeignWork others;
    others.computing.resize(1);
    others.computing[0].pid = 4211;
    others.computing[0].who.name = "python3";
    others.computing[0].who.user = "bob";
    others.computing[0].sm_ratio = 0.9;
    return others;
  }

  static storage::NewJob JobThat(v1::IfBusy if_busy) {
    storage::NewJob job = storage::MakeJob();
    job.spec.set_if_busy(if_busy);
    return job;
  }

  // The next look, 5 s later.
  bool LookAgain() {
    const int64_t next_ns = clock_.MonotonicNs() + 5 * kSecondNs;
    if (!clock_.AwaitSleepUntil(next_ns)) return false;
    const int looks = stage_.looks();
    clock_.Advance(5 * kSecondNs);
    return stage_.AwaitLooks(looks + 1);
  }
};

TEST_F(BusyDeviceTest, AJobWaitsUntilOthersAreDone) {
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_BUSY; }));
  EXPECT_EQ(dispatcher->Describe().detail(), "python3 (pid 4211, bob) computes on it");
  ASSERT_TRUE(LookAgain());
  ASSERT_TRUE(LookAgain());
  EXPECT_EQ(stage_.starts(), 0);
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
  stage_.SetOthers(host::ForeignWork());
  ASSERT_TRUE(LookAgain());
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_IDLE; }));
  EXPECT_TRUE(clock_.AwaitSleepUntil(Clock::kNever)) << "nothing waits: nobody looks";
}

TEST_F(BusyDeviceTest, AJobThatDoesNotWaitRuns) {
  const auto dispatcher = MakeDispatcher();
  const uint64_t waits = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  // Of another account: it goes past whoever waits.
  storage::NewJob hasty = JobThat(v1::IF_BUSY_RUN);
  const auto submitted = jobs_->Submit(bob_, "", "digest", "", {hasty}, {42}, ++now_ns_);
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  dispatcher->Start();
  EXPECT_TRUE(AwaitState(submitted->job_ids[0], v1::JOB_STATE_SUCCEEDED));
  ASSERT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_BUSY; }));
  EXPECT_EQ(Get(waits).state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(stage_.starts(), 1);
}

TEST_F(BusyDeviceTest, AJobThatShallFailFailsAndSaysWhoUsesTheDevice) {
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_FAIL));
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + 5 * kSecondNs));
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED) << "an idle device of its class would take it";
  clock_.Advance(5 * kSecondNs);
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_FAILED));
  EXPECT_EQ(Get(job).reason(), "SKIPPED: cpu0 is busy: python3 (pid 4211, bob) computes on it");
  EXPECT_EQ(stage_.starts(), 0);
}

TEST_F(BusyDeviceTest, AJobWaitsForAnHourAtMost) {
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + 5 * kSecondNs));
  const int looks = stage_.looks();
  clock_.Advance(3599 * kSecondNs);
  ASSERT_TRUE(stage_.AwaitLooks(looks + 1));
  ASSERT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + 5 * kSecondNs));
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
  clock_.Advance(5 * kSecondNs);
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_FAILED));
  EXPECT_THAT(Get(job).reason(), HasSubstr("it waited an hour for that"));
  EXPECT_EQ(stage_.starts(), 0);
}

TEST_F(BusyDeviceTest, AJobThatComesLaterHasAnHourOfItsOwn) {
  const auto dispatcher = MakeDispatcher();
  const uint64_t first = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(clock_.MonotonicNs() + 5 * kSecondNs));
  clock_.Advance(3601 * kSecondNs);
  now_ns_ = clock_.WallNs();
  ASSERT_TRUE(AwaitState(first, v1::JOB_STATE_FAILED));
  const uint64_t second = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Wake();
  ASSERT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_BUSY; }));
  EXPECT_EQ(Get(second).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(BusyDeviceTest, OurOwnRunIsNoTimeThatAJobHasWaitedForOthers) {
  const auto dispatcher = MakeDispatcher();
  const uint64_t waits = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  const auto hasty =
      jobs_->Submit(bob_, "", "digest", "", {JobThat(v1::IF_BUSY_RUN)}, {42}, ++now_ns_);
  ASSERT_TRUE(hasty.ok()) << hasty.status();
  stage_.OnStart([this](const std::string&) { clock_.Advance(7200 * kSecondNs); });
  dispatcher->Start();
  EXPECT_TRUE(AwaitState(hasty->job_ids[0], v1::JOB_STATE_SUCCEEDED));
  ASSERT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_BUSY; }));
  EXPECT_EQ(Get(waits).state(), v1::JOB_STATE_QUEUED) << Get(waits).reason();
  EXPECT_EQ(stage_.starts(), 1);
}

TEST_F(BusyDeviceTest, ACancelledJobIsWaitedForNoMore) {
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_BUSY; }));
  ASSERT_TRUE(jobs_->Cancel({job}, ann_, now_ns_).ok());
  dispatcher->Wake();
  EXPECT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_IDLE; }));
  EXPECT_TRUE(clock_.AwaitSleepUntil(Clock::kNever));
  EXPECT_EQ(stage_.starts(), 0);
}

class SettlingDeviceTest : public BusyDeviceTest {
 protected:
  void SetUp() override {
    BusyDeviceTest::SetUp();
    stage_.SetOthers(host::ForeignWork());
  }

  static SettleLook At(uint32_t celsius, int64_t at_most_s = 300) {
    SettleLook look;
    look.window = host::SettleWindow{50, 0, at_most_s * kSecondNs};
    look.celsius = celsius;
    return look;
  }
  bool AwaitSleepFor(int64_t seconds) {
    return clock_.AwaitSleepUntil(clock_.MonotonicNs() + seconds * kSecondNs);
  }
  // The next look, 5 s later.
  bool LookAgainAt(uint32_t celsius) {
    if (!AwaitSleepFor(5)) return false;
    stage_.SetSettle(At(celsius));
    return LookAgain();
  }
  v1::Evidence FirstEvidenceOf(uint64_t job) { return Get(job).runs(0).assessment().evidence(0); }
};

TEST_F(SettlingDeviceTest, ARunBeginsWhenItsDeviceIsCool) {
  stage_.SetSettle(At(71));
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_BUSY; }));
  EXPECT_EQ(dispatcher->Describe().detail(), "it cools down: 71 C, a run begins below 50 C");
  ASSERT_TRUE(LookAgainAt(60));
  ASSERT_TRUE(AwaitSleepFor(5));
  EXPECT_EQ(dispatcher->Describe().detail(), "it cools down: 60 C, a run begins below 50 C");
  EXPECT_EQ(stage_.starts(), 0);
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
  ASSERT_TRUE(LookAgainAt(49));
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  const v1::Evidence evidence = FirstEvidenceOf(job);
  EXPECT_EQ(evidence.reason(), v1::REASON_SETTLED);
  EXPECT_DOUBLE_EQ(evidence.value(), 10);
  EXPECT_EQ(evidence.celsius(), 49U);
  EXPECT_TRUE(clock_.AwaitSleepUntil(Clock::kNever)) << "nothing waits: nobody looks";
}

TEST_F(SettlingDeviceTest, ARunGivesUpAfterItsTimeAndSaysSo) {
  stage_.SetSettle(At(71, 7));
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(LookAgain());
  ASSERT_TRUE(AwaitSleepFor(2)) << "not beyond its 7 s";
  EXPECT_EQ(stage_.starts(), 0);
  clock_.Advance(2 * kSecondNs);
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  const v1::Evidence evidence = FirstEvidenceOf(job);
  EXPECT_EQ(evidence.reason(), v1::REASON_NOT_SETTLED);
  EXPECT_DOUBLE_EQ(evidence.value(), 7);
  EXPECT_DOUBLE_EQ(evidence.threshold(), 7);
  EXPECT_EQ(evidence.celsius(), 71U);
}

TEST_F(SettlingDeviceTest, AJobThatIsTakenBackIsWaitedForNoMore) {
  stage_.SetSettle(At(71));
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_BUSY; }));
  ASSERT_TRUE(jobs_->Cancel({job}, ann_, now_ns_).ok());
  dispatcher->Wake();
  EXPECT_TRUE(Await([&] { return dispatcher->Describe().state() == v1::DEVICE_STATE_IDLE; }));
  EXPECT_EQ(stage_.starts(), 0);
}

TEST_F(SettlingDeviceTest, OthersWhoComputeAreWaitedForFirst) {
  stage_.SetOthers(Others());
  stage_.SetSettle(At(71, 7));
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(LookAgain());
  ASSERT_TRUE(LookAgain());
  EXPECT_EQ(dispatcher->Describe().detail(), "python3 (pid 4211, bob) computes on it");
  stage_.SetOthers(host::ForeignWork());
  ASSERT_TRUE(LookAgain());
  ASSERT_TRUE(AwaitSleepFor(5));
  EXPECT_EQ(dispatcher->Describe().detail(), "it cools down: 71 C, a run begins below 50 C");
  EXPECT_EQ(stage_.starts(), 0) << "its 7 s begin now";
  EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED);
}

TEST_F(SettlingDeviceTest, ARunBesideOthersIsNotSettledAndDoesNotWaitForThem) {
  stage_.SetOthers(Others());
  SettleLook look = At(40);
  look.window->idle_ns = 10 * kSecondNs;
  stage_.SetSettle(look);
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_RUN));
  dispatcher->Start();
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  const v1::Evidence evidence = FirstEvidenceOf(job);
  EXPECT_EQ(evidence.reason(), v1::REASON_NOT_SETTLED);
  EXPECT_DOUBLE_EQ(evidence.value(), 0);
}

TEST_F(SettlingDeviceTest, WhatOthersDidWhileNobodyWaitedIsNoIdleTime) {
  SettleLook look = At(40);
  look.window->idle_ns = 10 * kSecondNs;
  look.others_worked_ns_ago = 3 * kSecondNs;
  stage_.SetSettle(look);
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Start();
  ASSERT_TRUE(AwaitSleepFor(5));
  EXPECT_EQ(dispatcher->Describe().detail(), "it rests: a run begins when it was idle for 10 s");
  EXPECT_EQ(stage_.starts(), 0);
  look.others_worked_ns_ago = 8 * kSecondNs;
  stage_.SetSettle(look);
  ASSERT_TRUE(LookAgain());
  ASSERT_TRUE(AwaitSleepFor(2)) << "their end was 8 s ago";
  look.others_worked_ns_ago.reset();
  stage_.SetSettle(look);
  clock_.Advance(2 * kSecondNs);
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  const v1::Evidence evidence = FirstEvidenceOf(job);
  EXPECT_EQ(evidence.reason(), v1::REASON_SETTLED);
  EXPECT_DOUBLE_EQ(evidence.value(), 7);
}

TEST_F(SettlingDeviceTest, ARunGoesOnWithoutTheSettingsAndSaysSo) {
  SettleLook look;
  look.not_in_force = {"lock_clocks is not in force: needs root or CAP_SYS_ADMIN"};
  stage_.SetSettle(look);
  const auto dispatcher = MakeDispatcher();
  const uint64_t job = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  EXPECT_TRUE(dispatcher->not_in_force().empty());
  dispatcher->Start();
  ASSERT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(FirstEvidenceOf(job).reason(), v1::REASON_SETTINGS_MISSING);
  EXPECT_EQ(dispatcher->not_in_force(), look.not_in_force);
  stage_.SetSettle({});
  const uint64_t next = SubmitOne(JobThat(v1::IF_BUSY_WAIT));
  dispatcher->Wake();
  ASSERT_TRUE(AwaitState(next, v1::JOB_STATE_SUCCEEDED));
  EXPECT_TRUE(dispatcher->not_in_force().empty());
}

TEST_F(DispatcherTest, WhoBeginsToUseTheDeviceIsGivenWayBeforeARun) {
  auto place = Place();
  ScriptedPlace* const looked_at = place.get();
  // When it is taken; before the job, twice.
  place->FindUsedByAnother({false, true, true});
  Dispatcher dispatcher(std::move(place), Setting());
  stage_.PlayByThemselves();
  const int64_t began_ns = clock_.MonotonicNs();
  dispatcher.Start();
  EXPECT_EQ(dispatcher.Describe().state(), v1::DEVICE_STATE_IDLE);
  const uint64_t job = SubmitOne(storage::MakeJob());
  dispatcher.Wake();
  for (int64_t looks = 1; looks <= 2; ++looks) {
    ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + looks * 30 * kSecondNs));
    EXPECT_EQ(dispatcher.Describe().state(), v1::DEVICE_STATE_CLAIMED);
    EXPECT_EQ(dispatcher.Describe().detail(), "claimed by pid 4711, user bob");
    EXPECT_EQ(dispatcher.Describe().claimed_by_user(), "bob");
    EXPECT_EQ(Get(job).state(), v1::JOB_STATE_QUEUED) << "nothing of it was begun";
    EXPECT_EQ(stage_.starts(), 0);
    // Others wake the thread meanwhile: the device is not looked at for that.
    dispatcher.Wake();
    EXPECT_EQ(looked_at->looks(), 1 + looks);
    clock_.Advance(30 * kSecondNs);
  }
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(looked_at->looks(), 4);
  EXPECT_EQ(Get(job).runs_size(), 1);
}

TEST_F(DispatcherTest, WhoWasGivenWayIsWaitedForUntilHisEndAtMost) {
  FileDescriptor gone(::eventfd(0, EFD_CLOEXEC));
  const FileDescriptor end(::dup(gone.get()));
  auto place = Place();
  place->FindUsedByAnother({true}, std::move(gone));
  Dispatcher dispatcher(std::move(place), Setting());
  const uint64_t job = SubmitOne(storage::MakeJob());
  stage_.PlayByThemselves();
  const int64_t began_ns = clock_.MonotonicNs();
  dispatcher.Start();
  EXPECT_EQ(dispatcher.Describe().state(), v1::DEVICE_STATE_CLAIMED);
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 30 * kSecondNs));
  EXPECT_EQ(stage_.starts(), 0);
  const uint64_t one = 1;
  ASSERT_EQ(::write(end.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED)) << "the clock stands still";
}

TEST_F(DispatcherTest, ThePaceOfTheLooksIsASetting) {
  auto place = Place();
  place->FindUsedByAnother({true});
  DispatcherSetting setting = Setting();
  setting.claim_pace = std::chrono::seconds(7);
  Dispatcher dispatcher(std::move(place), setting);
  const uint64_t job = SubmitOne(storage::MakeJob());
  stage_.PlayByThemselves();
  const int64_t began_ns = clock_.MonotonicNs();
  dispatcher.Start();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 7 * kSecondNs));
  clock_.Advance(7 * kSecondNs);
  EXPECT_TRUE(AwaitState(job, v1::JOB_STATE_SUCCEEDED));
}

TEST_F(DispatcherTest, EveryRunIsPrecededByALookAndAnIdleDeviceIsNotLookedAt) {
  auto place = Place();
  ScriptedPlace* const looked_at = place.get();
  // When it is taken; before the first job; before the second one.
  place->FindUsedByAnother({false, false, true});
  Dispatcher dispatcher(std::move(place), Setting());
  stage_.PlayByThemselves();
  const int64_t began_ns = clock_.MonotonicNs();
  dispatcher.Start();
  for (int wakes = 0; wakes < 10; ++wakes) {
    dispatcher.Wake();
    ASSERT_TRUE(clock_.AwaitSleepUntil(Clock::kNever));
  }
  EXPECT_EQ(looked_at->looks(), 1);
  const uint64_t first = SubmitOne(storage::MakeJob());
  dispatcher.Wake();
  EXPECT_TRUE(AwaitState(first, v1::JOB_STATE_SUCCEEDED));
  const uint64_t second = SubmitOne(storage::MakeJob());
  dispatcher.Wake();
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns + 30 * kSecondNs));
  EXPECT_EQ(looked_at->looks(), 3);
  EXPECT_EQ(stage_.starts(), 1);
  EXPECT_EQ(Get(second).state(), v1::JOB_STATE_QUEUED);
}

TEST(DeviceKeysTest, ADeviceWithAProblemTakesNoJobsOfItsClassWhereAnotherHasNone) {
  host::HostDevice device;
  device.uuid = "GPU-1";
  device.kind = v1::DEVICE_KIND_CUDA;
  EXPECT_THAT(DeviceKeys(device), testing::ElementsAre("uuid:GPU-1", "class:cuda", "any"));
  device.only_by_name = true;
  EXPECT_THAT(DeviceKeys(device), testing::ElementsAre("uuid:GPU-1"));
}

TEST(TroubleWordsTest, TheDatabasesErrorsAreAFewWords) {
  EXPECT_EQ(TroubleWords(absl::ResourceExhaustedError("database /x: the disk is full; free some")),
            "the disk is full");
  EXPECT_EQ(TroubleWords(absl::PermissionDeniedError("database /x: cannot be written (attempt to "
                                                     "write a readonly database); the file ...")),
            "the database is read-only");
  EXPECT_EQ(TroubleWords(absl::PermissionDeniedError("database /x: cannot be written (Read-only "
                                                     "file system); the file ...")),
            "the database is read-only");
  EXPECT_EQ(TroubleWords(absl::ResourceExhaustedError("database /x: is locked by another program")),
            "the database is locked by another program");
  EXPECT_EQ(TroubleWords(absl::DataLossError("database /x: damaged")), "database /x: damaged");
}

TEST(BackoffTest, PausesDoubleUpToAMinuteAndBeginAnewAfterASuccess) {
  Backoff backoff;
  for (const int64_t seconds : {2, 4, 8, 16, 32, 60, 60}) {
    EXPECT_EQ(backoff.NextNs(), seconds * kSecondNs);
  }
  backoff.Succeeded();
  EXPECT_EQ(backoff.NextNs(), 2 * kSecondNs);
}

}  // namespace
}  // namespace torchlap::run
