// Real threads and a real database; the workers are scripted and the clock is set.
#include "server/run/dispatcher.h"

#include <sys/eventfd.h>
#include <unistd.h>

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

// A run before this one whose row cannot be read.
class UnreadableHistoryTest : public DispatcherTest {
 protected:
  // A fit whose first try fitted; then its stored assessment is damaged.
  void SetUp() override {
    DispatcherTest::SetUp();
    job_ = SubmitOne(FitJob());
    storage::FinishedRun first = storage::Ended(Start(job_));
    first.run.mutable_assessment()->mutable_advice();
    storage::AfterRun again = storage::TryAgain(8, 256);
    again.cause = v1::CAUSE_FIT;
    Finish(first, again);
    ExecuteSql("INSERT OR REPLACE INTO assessment (run_id, message) SELECT id, x'ff' FROM run");
    dispatcher_ = MakeDispatcher();
    began_ns_ = clock_.MonotonicNs();
    dispatcher_->Start();
  }

  uint64_t job_ = 0;
  int64_t began_ns_ = 0;
  std::unique_ptr<Dispatcher> dispatcher_;
};

TEST_F(UnreadableHistoryTest, NothingIsRunAsIfItWereTheFirst) {
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 2 * kSecondNs));
  EXPECT_EQ(stage_.starts(), 0);
  EXPECT_THAT(dispatcher_->Describe().detail(), HasSubstr("cannot read the job's earlier runs"));
  EXPECT_NE(dispatcher_->trouble().why, "");

  ExecuteSql("DELETE FROM assessment");
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
  ASSERT_TRUE(clock_.AwaitSleepUntil(began_ns_ + 2 * kSecondNs));
  dispatcher_->Stop();
  dispatcher_->Join();
  EXPECT_EQ(stage_.starts(), 0);
  ASSERT_TRUE(jobs_->RecoverInterrupted(++now_ns_).ok());
  ExecuteSql("DELETE FROM assessment");
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
