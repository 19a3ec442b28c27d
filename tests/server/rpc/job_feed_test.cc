#include "server/rpc/job_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/rpc/work_threads.h"
#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using Kind = JobFeed::Due::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

// Runs tasks when the test says so.
class Tasks {
 public:
  void Post(std::function<void()> task) {
    tasks_.push_back(std::move(task));
    ++posted_;
  }
  bool RunOne() {
    if (tasks_.empty()) return false;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  void RunAll() {
    while (RunOne()) {
    }
  }
  size_t waiting() const { return tasks_.size(); }
  int posted() const { return posted_; }

 private:
  std::deque<std::function<void()>> tasks_;
  int posted_ = 0;
};

// What a watcher was told, as text: `snapshot 1-3 @7`, `1 RUNNING 1.1 began`, `progress 1.1 5`,
// `1 waits behind 2`.
std::string Text(const v1::WatchJobsResponse& message) {
  if (message.has_waiting()) {
    return std::to_string(message.waiting().job_id()) + " waits behind " +
           std::to_string(message.waiting().reason().jobs_ahead());
  }
  if (message.has_progress()) {
    return "progress " + message.progress().run_id() + " " +
           std::to_string(message.progress().steps_done());
  }
  if (message.has_event()) {
    const v1::JobEvent& event = message.event();
    std::string text =
        std::to_string(event.job_id()) + " " + v1::JobState_Name(event.state()).substr(10);
    if (!event.has_run()) return text;
    const bool ended = event.run().outcome() != v1::OUTCOME_UNSPECIFIED;
    return text + " " + event.run().run_id() + (ended ? " ended" : " began");
  }
  const v1::JobSnapshot& snapshot = message.snapshot();
  return "snapshot " + std::to_string(snapshot.jobs(0).job_id()) + "-" +
         std::to_string(snapshot.jobs(snapshot.jobs_size() - 1).job_id()) +
         (snapshot.more() ? " more" : "");
}

v1::Progress ProgressOf(const v1::Run& run, uint32_t steps_done) {
  v1::Progress progress;
  progress.set_run_id(run.run_id());
  progress.set_job_id(run.job_id());
  progress.set_steps_done(steps_done);
  return progress;
}

// The states that a reader saw each job in, one after the other. QUEUED, RUNNING, SUCCEEDED or
// QUEUED, CANCELLED, each once at most and in this order, is what no gap and no duplicate mean.
class Reader {
 public:
  void Take(const v1::WatchJobsResponse& message) {
    for (const v1::Job& job : message.snapshot().jobs()) {
      EXPECT_TRUE(states_[job.job_id()].empty()) << "job " << job.job_id() << " was shown twice";
      states_[job.job_id()].push_back(job.state());
    }
    if (!message.has_event()) return;
    EXPECT_GT(message.event().sequence(), sequence_);
    sequence_ = message.event().sequence();
    std::vector<v1::JobState>& states = states_[message.event().job_id()];
    if (!states.empty()) {
      EXPECT_GT(message.event().state(), states.back()) << "job " << message.event().job_id();
    }
    states.push_back(message.event().state());
  }
  // Every job was followed from where it was first seen, without a gap, to its end.
  void ExpectWholeStories(size_t jobs) const {
    EXPECT_EQ(states_.size(), jobs);
    for (const auto& [id, states] : states_) {
      EXPECT_GE(states.back(), v1::JOB_STATE_SUCCEEDED) << "job " << id;
      for (size_t i = 1; i < states.size(); ++i) {
        const bool cancelled = states[i] == v1::JOB_STATE_CANCELLED;
        EXPECT_EQ(states[i - 1], cancelled ? v1::JOB_STATE_QUEUED : states[i] - 1)
            << "job " << id << " has a gap";
      }
    }
  }

 private:
  std::map<uint64_t, std::vector<v1::JobState>> states_;
  uint64_t sequence_ = 0;
};

class JobFeedTest : public storage::StoreTest {
 protected:
  FeedSources Sources() {
    return {jobs_.get(), &hub_,
            [this](std::vector<v1::Job>* shown) {
              for (v1::Job& job : *shown) {
                if (!has_reason_) continue;
                job.mutable_wait()->set_code(v1::WaitReason::CODE_BEHIND);
                job.mutable_wait()->set_jobs_ahead(ahead_);
              }
              return explained_;
            },
            [this] { return not_stored_; }};
  }
  // Of a feed that says how much it holds.
  FeedSources Counted() {
    FeedSources sources = Sources();
    sources.hold = [this](size_t bytes) {
      held_.push_back(bytes);
      return bytes > most_held_ ? absl::ResourceExhaustedError("too much") : absl::OkStatus();
    };
    return sources;
  }
  std::unique_ptr<JobFeed> Open(const v1::WatchJobsRequest& request) {
    return Open(Sources(), request);
  }
  std::unique_ptr<JobFeed> Open(const FeedSources& sources, const v1::WatchJobsRequest& request) {
    return std::make_unique<JobFeed>(
        sources, [this](std::function<void()> task) { tasks_.Post(std::move(task)); }, ann_,
        request, [this] { ++told_; });
  }
  static v1::WatchJobsRequest Of(const std::vector<uint64_t>& job_ids) {
    v1::WatchJobsRequest request;
    for (const uint64_t id : job_ids) request.mutable_selector()->add_job_ids(id);
    return request;
  }
  static v1::WatchJobsRequest All() {
    v1::WatchJobsRequest request;
    request.mutable_selector()->set_all(true);
    return request;
  }
  static v1::WatchJobsRequest After(v1::WatchJobsRequest request, uint64_t sequence) {
    request.set_after_sequence(sequence);
    return request;
  }

  // Reads on until nothing is due, or the end.
  std::vector<std::string> Drain(JobFeed* feed) {
    std::vector<std::string> texts;
    for (;;) {
      JobFeed::Due due = feed->Next();
      if (due.kind == Kind::kNothingYet && tasks_.RunOne()) continue;
      if (due.kind == Kind::kNothingYet) return texts;
      if (due.kind == Kind::kEnd) {
        texts.push_back("end " + due.status.ToString());
        return texts;
      }
      texts.push_back(Text(due.message));
    }
  }
  // The next message; tasks run as they are posted.
  v1::WatchJobsResponse Take(JobFeed* feed) {
    for (;;) {
      JobFeed::Due due = feed->Next();
      if (due.kind == Kind::kMessage) return due.message;
      if (due.kind == Kind::kEnd || !tasks_.RunOne()) {
        ADD_FAILURE() << "no message is due: " << due.status;
        return {};
      }
    }
  }
  std::vector<uint64_t> SubmitMany(size_t jobs) {
    std::vector<uint64_t> ids =
        Submit(std::vector<storage::NewJob>(jobs, storage::MakeJob())).job_ids;
    hub_.EventsCommitted();
    return ids;
  }
  v1::Run Begin(uint64_t job_id) {
    const v1::Run run = Start(job_id).run;
    hub_.EventsCommitted();
    return run;
  }
  void End(const v1::Run& run) {
    storage::StartedRun started;
    started.run = run;
    Finish(storage::Ended(started), storage::LaunchDone());
    hub_.EventsCommitted();
  }
  // All that are queued, at once.
  void CancelRest(const std::vector<uint64_t>& job_ids) {
    std::vector<uint64_t> queued;
    for (const uint64_t id : job_ids) {
      if (Get(id).state() == v1::JOB_STATE_QUEUED) queued.push_back(id);
    }
    EXPECT_TRUE(jobs_->Cancel(queued, ann_, ++now_ns_).ok());
    hub_.EventsCommitted();
  }
  void RunWhole(uint64_t job_id) { End(Begin(job_id)); }
  uint64_t LastSequence() { return *jobs_->LastSequence(); }
  void Execute(const std::string& sql) {
    ASSERT_TRUE(database_
                    ->Write([&](SQLite::Database& database) {
                      storage::Execute(database, sql);
                      return absl::OkStatus();
                    })
                    .ok());
  }

  run::EventHub hub_;
  Tasks tasks_;
  int told_ = 0;
  absl::Status explained_;
  bool has_reason_ = true;
  uint32_t ahead_ = 0;
  std::map<uint64_t, std::string> not_stored_;
  std::vector<size_t> held_;  // as it was told
  size_t most_held_ = SIZE_MAX;
};

TEST_F(JobFeedTest, ARunThatCannotBeStoredIsToldOnceAndItsEndAfterwards) {
  const std::vector<uint64_t> jobs = SubmitMany(2);
  const auto feed = Open(All());
  Drain(feed.get());
  const v1::Run run = Begin(jobs[0]);
  Drain(feed.get());
  not_stored_[jobs[0]] = "the disk is full";
  not_stored_[99] = "of somebody else";
  hub_.EventsCommitted();
  const v1::WatchJobsResponse message = Take(feed.get());
  ASSERT_EQ(message.snapshot().jobs_size(), 1);
  EXPECT_EQ(message.snapshot().jobs(0).job_id(), jobs[0]);
  EXPECT_EQ(message.snapshot().jobs(0).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(message.snapshot().jobs(0).not_stored(), "the disk is full");
  EXPECT_EQ(message.snapshot().sequence(), LastSequence()) << "whoever resumes misses nothing";
  EXPECT_FALSE(message.snapshot().more());
  hub_.EventsCommitted();
  EXPECT_THAT(Drain(feed.get()), IsEmpty()) << "no news";
  not_stored_.clear();
  End(run);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("1 SUCCEEDED 1.1 ended"));
}

TEST_F(JobFeedTest, ASnapshotThenEachChangeThenTheEnd) {
  const auto ids = SubmitMany(2);
  const auto feed = Open(Of(ids));
  EXPECT_THAT(Drain(feed.get()), ElementsAre("snapshot 1-2"));
  const v1::Run run = Begin(1);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("1 RUNNING 1.1 began"));
  End(run);
  RunWhole(2);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("1 SUCCEEDED 1.1 ended", "2 RUNNING 2.1 began",
                                             "2 SUCCEEDED 2.1 ended", "end OK"));
  EXPECT_EQ(feed->Next().kind, Kind::kEnd) << "an end stays one";
}

TEST_F(JobFeedTest, OneJobThatCannotBeReadDoesNotEndTheWatchOfTheOthers) {
  const std::vector<uint64_t> jobs = SubmitMany(3);
  Execute("UPDATE job SET spec = x'ff' WHERE id = 2");
  const auto feed = Open(All());
  const v1::WatchJobsResponse first = Take(feed.get());
  EXPECT_EQ(first.snapshot().jobs_size(), 2);
  EXPECT_EQ(first.snapshot().unreadable_jobs(), 1U);
  EXPECT_FALSE(first.snapshot().more());
  for (const uint64_t job : {jobs[0], jobs[2]}) RunWhole(job);
  EXPECT_EQ(Drain(feed.get()).back(), "end OK");
}

TEST_F(JobFeedTest, WhereNoneCanBeReadTheWatchSaysSo) {
  const std::vector<uint64_t> jobs = SubmitMany(2);
  Execute("UPDATE job SET spec = x'ff'");
  const std::string why =
      " cannot be read, as the database is damaged; torchlapd --check tells more";
  EXPECT_THAT(Drain(Open(Of({jobs[1]})).get()), ElementsAre("end DATA_LOSS: job 2" + why));
  EXPECT_THAT(Drain(Open(All()).get()),
              ElementsAre("end DATA_LOSS: job 1 and the others of the selector" + why));
}

TEST_F(JobFeedTest, FinishedJobsAreASnapshotAndTheEnd) {
  RunToEnd(storage::MakeJob());
  EXPECT_THAT(Drain(Open(All()).get()), ElementsAre("snapshot 1-1", "end OK"));
}

TEST_F(JobFeedTest, AQueuedJobSaysWhyItWaits) {
  SubmitMany(1);
  const auto feed = Open(All());
  EXPECT_EQ(Take(feed.get()).snapshot().jobs(0).wait().code(), v1::WaitReason::CODE_BEHIND);
}

TEST_F(JobFeedTest, AnotherReasonToWaitIsToldOnce) {
  SubmitMany(3);
  const auto feed = Open(Of({2, 3}));
  EXPECT_THAT(Drain(feed.get()), ElementsAre("snapshot 2-3"));
  ahead_ = 2;
  RunWhole(1);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("2 waits behind 2")) << "of the first alone";
  hub_.EventsCommitted();
  EXPECT_THAT(Drain(feed.get()), IsEmpty());
  ahead_ = 1;
  hub_.EventsCommitted();
  ahead_ = 0;
  hub_.EventsCommitted();
  EXPECT_THAT(Drain(feed.get()), ElementsAre("2 waits behind 0")) << "the latest only";
}

TEST_F(JobFeedTest, WhyAJobWaitsIsNotToldWhileAnotherRuns) {
  SubmitMany(3);
  const auto feed = Open(All());
  Drain(feed.get());
  const v1::Run run = Begin(2);
  ahead_ = 4;
  hub_.EventsCommitted();
  EXPECT_THAT(Drain(feed.get()), ElementsAre("2 RUNNING 2.1 began"));
  End(run);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("2 SUCCEEDED 2.1 ended", "1 waits behind 4"));
  RunWhole(1);
  EXPECT_THAT(Drain(feed.get()),
              ElementsAre("1 RUNNING 1.1 began", "1 SUCCEEDED 1.1 ended", "3 waits behind 4"));
  RunWhole(3);
  EXPECT_THAT(Drain(feed.get()),
              ElementsAre("3 RUNNING 3.1 began", "3 SUCCEEDED 3.1 ended", "end OK"));
}

TEST_F(JobFeedTest, AJobThatWaitsAgainIsToldWhyAgain) {
  SubmitMany(1);
  const auto feed = Open(All());
  Drain(feed.get());
  storage::StartedRun started;
  started.run = Begin(1);
  Drain(feed.get());
  Finish(storage::Ended(started, v1::OUTCOME_INTERRUPTED), storage::Interrupted());
  hub_.EventsCommitted();
  EXPECT_THAT(Drain(feed.get()), ElementsAre("1 QUEUED 1.1 ended", "1 waits behind 0"))
      << "the reader forgets the reason with each change";
}

TEST_F(JobFeedTest, AReaderThatResumesIsToldWhyItsJobWaits) {
  SubmitMany(2);
  ahead_ = 3;
  EXPECT_THAT(Drain(Open(After(All(), LastSequence())).get()), ElementsAre("1 waits behind 3"));
  const v1::Run run = Begin(1);
  EXPECT_THAT(Drain(Open(After(All(), LastSequence())).get()), IsEmpty()) << "one runs";
  const uint64_t known = LastSequence();
  End(run);
  EXPECT_THAT(Drain(Open(After(All(), known)).get()),
              ElementsAre("1 SUCCEEDED 1.1 ended", "2 waits behind 3"));
}

TEST_F(JobFeedTest, AJobThatHasBegunMeanwhileHasNoReason) {
  SubmitMany(1);
  const auto feed = Open(All());
  Drain(feed.get());
  has_reason_ = false;
  hub_.EventsCommitted();
  EXPECT_THAT(Drain(feed.get()), IsEmpty());
}

TEST_F(JobFeedTest, ChangesOfOtherJobsAreNotTold) {
  SubmitMany(3);
  const auto feed = Open(Of({2}));
  EXPECT_THAT(Drain(feed.get()), ElementsAre("snapshot 2-2"));
  RunWhole(1);
  RunWhole(3);
  EXPECT_THAT(Drain(feed.get()), IsEmpty());
  RunWhole(2);
  EXPECT_THAT(Drain(feed.get()),
              ElementsAre("2 RUNNING 2.1 began", "2 SUCCEEDED 2.1 ended", "end OK"));
}

TEST_F(JobFeedTest, IsToldOnceForEachTimeThatNothingWasDue) {
  SubmitMany(1);
  const auto feed = Open(All());
  EXPECT_EQ(told_, 0);
  EXPECT_EQ(feed->Next().kind, Kind::kNothingYet);
  tasks_.RunAll();
  EXPECT_EQ(told_, 1);
  const v1::Run run = Begin(1);
  End(run);
  tasks_.RunAll();
  EXPECT_EQ(told_, 1) << "the writer was told, and did not come yet";
  EXPECT_THAT(Drain(feed.get()), ElementsAre("snapshot 1-1", "1 RUNNING 1.1 began",
                                             "1 SUCCEEDED 1.1 ended", "end OK"));
}

TEST_F(JobFeedTest, NothingIsReadForAReaderThatNeverReads) {
  const auto ids = SubmitMany(250);
  const auto never = Open(All());
  for (uint64_t id = 1; id <= 5; ++id) RunWhole(id);
  EXPECT_EQ(tasks_.posted(), 0);
  const auto once = Open(All());
  EXPECT_EQ(once->Next().kind, Kind::kNothingYet);
  tasks_.RunAll();
  for (uint64_t id = 51; id <= 55; ++id) RunWhole(id);
  CancelRest(ids);
  EXPECT_EQ(tasks_.posted(), 1) << "a page, and no more before it is taken";
}

TEST_F(JobFeedTest, ASnapshotIsReadPageByPageAsItIsTaken) {
  SubmitMany(60);
  const auto feed = Open(All());
  const v1::JobSnapshot first = Take(feed.get()).snapshot();
  EXPECT_EQ(tasks_.posted(), 1);
  EXPECT_EQ(first.jobs_size(), 25);
  EXPECT_EQ(first.sequence(), LastSequence());
  EXPECT_TRUE(first.more());
  const v1::JobSnapshot second = Take(feed.get()).snapshot();
  EXPECT_EQ(tasks_.posted(), 2);
  EXPECT_TRUE(second.more());
  EXPECT_EQ(Text(Take(feed.get())), "snapshot 51-60");
  EXPECT_EQ(tasks_.posted(), 3);
}

TEST_F(JobFeedTest, AFullPageIsTheLastOneIfThereAreNoMore) {
  SubmitMany(25);
  const auto feed = Open(All());
  EXPECT_THAT(Drain(feed.get()), ElementsAre("snapshot 1-25"));
}

TEST_F(JobFeedTest, ChangesBetweenTwoPagesAreToldUnlessThePageShowsThem) {
  SubmitMany(45);
  const auto feed = Open(All());
  const v1::JobSnapshot first = Take(feed.get()).snapshot();
  Begin(1);
  Begin(45);
  const v1::JobSnapshot second = Take(feed.get()).snapshot();
  EXPECT_EQ(second.sequence(), first.sequence()) << "a resume from there leaves out nothing";
  EXPECT_EQ(second.jobs(19).state(), v1::JOB_STATE_RUNNING);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("1 RUNNING 1.1 began"));
}

// Whatever is committed at whatever moment of the reading, nothing is lost and nothing repeated.
TEST_F(JobFeedTest, NoMomentOfACommitMakesAGapOrADuplicate) {
  for (int moment = 0; moment < 8; ++moment) {
    const auto ids = SubmitMany(51);
    v1::WatchJobsRequest request;
    request.mutable_selector()->set_last(true);
    const auto feed = Open(request);
    Reader reader;
    int tasks = 0;
    const auto commit = [&] {
      for (const size_t i : {0U, 24U, 25U, 49U, 50U}) RunWhole(ids[i]);
    };
    if (moment == 0) commit();
    for (;;) {
      JobFeed::Due due = feed->Next();
      if (due.kind == Kind::kMessage) reader.Take(due.message);
      if (due.kind == Kind::kMessage) continue;
      if (due.kind == Kind::kEnd || !tasks_.RunOne()) break;
      if (++tasks == moment) commit();
    }
    if (tasks < moment) commit();
    CancelRest(ids);
    for (;;) {
      JobFeed::Due due = feed->Next();
      if (due.kind == Kind::kMessage) reader.Take(due.message);
      if (due.kind == Kind::kEnd) break;
      if (due.kind == Kind::kNothingYet && !tasks_.RunOne()) break;
    }
    EXPECT_EQ(feed->Next().kind, Kind::kEnd) << "moment " << moment;
    reader.ExpectWholeStories(ids.size());
  }
}

TEST_F(JobFeedTest, ProgressIsTheLatestOnlyOfEachRun) {
  SubmitMany(2);
  const auto feed = Open(All());
  Drain(feed.get());
  const v1::Run one = Begin(1);
  const v1::Run two = Begin(2);
  Drain(feed.get());
  for (uint32_t step = 1; step <= 1000; ++step) hub_.Report(ProgressOf(one, step));
  hub_.Report(ProgressOf(two, 7));
  EXPECT_THAT(Drain(feed.get()), ElementsAre("progress 1.1 1000", "progress 2.1 7"));
  hub_.Report(ProgressOf(one, 1001));
  EXPECT_THAT(Drain(feed.get()), ElementsAre("progress 1.1 1001"));
}

TEST_F(JobFeedTest, AChangeWhileTheWriterWritesIsDueNext) {
  SubmitMany(1);
  const auto feed = Open(All());
  Drain(feed.get());
  const v1::Run run = Begin(1);
  Drain(feed.get());
  hub_.Report(ProgressOf(run, 1));
  EXPECT_EQ(Text(feed->Next().message), "progress 1.1 1");
  End(run);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("1 SUCCEEDED 1.1 ended", "end OK"));
}

TEST_F(JobFeedTest, ProgressIsNotToldBeforeTheChangeThatBeganItsRun) {
  SubmitMany(1);
  const auto feed = Open(All());
  Drain(feed.get());
  EXPECT_EQ(feed->Next().kind, Kind::kNothingYet);
  const v1::Run run = Begin(1);
  const int told = told_;
  hub_.Report(ProgressOf(run, 1));
  EXPECT_EQ(told_, told) << "what began it is being read";
  EXPECT_THAT(Drain(feed.get()), ElementsAre("1 RUNNING 1.1 began", "progress 1.1 1"));
}

TEST_F(JobFeedTest, ProgressOfARunThatEndedIsNotTold) {
  SubmitMany(2);
  const auto feed = Open(All());
  Drain(feed.get());
  const v1::Run run = Begin(1);
  hub_.Report(ProgressOf(run, 1));
  End(run);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("1 RUNNING 1.1 began", "1 SUCCEEDED 1.1 ended"));
  hub_.Report(ProgressOf(run, 2));
  EXPECT_THAT(Drain(feed.get()), IsEmpty()) << "late, of a job that is finished";
}

TEST_F(JobFeedTest, ProgressOfOtherJobsIsNotKept) {
  SubmitMany(2);
  const auto feed = Open(Of({1}));
  Drain(feed.get());
  EXPECT_EQ(feed->Next().kind, Kind::kNothingYet);
  const v1::Run other = Begin(2);
  tasks_.RunAll();
  const int told = told_;
  hub_.Report(ProgressOf(other, 1));
  EXPECT_EQ(told_, told);
  EXPECT_THAT(Drain(feed.get()), IsEmpty());
}

TEST_F(JobFeedTest, ResumesWithTheChangesAfterANumberAndNoSnapshot) {
  SubmitMany(1);
  const v1::Run run = Begin(1);
  const uint64_t known = LastSequence();
  End(run);
  EXPECT_THAT(Drain(Open(After(All(), known)).get()),
              ElementsAre("1 SUCCEEDED 1.1 ended", "end OK"));
  EXPECT_THAT(Drain(Open(After(All(), known - 1)).get()),
              ElementsAre("1 RUNNING 1.1 began", "1 SUCCEEDED 1.1 ended", "end OK"));
  EXPECT_THAT(Drain(Open(After(All(), LastSequence())).get()), ElementsAre("end OK"));
}

TEST_F(JobFeedTest, ResumesOverMoreJobsThanAPageAndMoreChangesThanABatch) {
  const auto ids = SubmitMany(230);
  const uint64_t known = LastSequence();
  const v1::Run run = Begin(ids[150]);
  CancelRest(ids);
  const auto feed = Open(After(All(), known));
  EXPECT_EQ(Drain(feed.get()).size(), 230U);
  End(run);
  EXPECT_THAT(Drain(feed.get()), ElementsAre("151 SUCCEEDED 151.1 ended", "end OK"));
}

// As a client does whose stream broke after any of its messages.
TEST_F(JobFeedTest, AResumeFromAnyNumberOfAnEarlierStreamLeavesOutNothing) {
  const auto ids = SubmitMany(150);
  const auto first = Open(All());
  std::vector<uint64_t> numbers = {Take(first.get()).snapshot().sequence()};
  for (const uint64_t id : {1, 120}) RunWhole(id);
  numbers.push_back(Take(first.get()).snapshot().sequence());
  CancelRest(ids);
  while (first->Next().kind != Kind::kEnd) tasks_.RunOne();
  for (const uint64_t number : numbers) {
    EXPECT_EQ(Drain(Open(After(All(), number)).get()).size(), 2 * 2U + 148 + 1);
  }
}

TEST_F(JobFeedTest, ANumberThatIsNotKnownIsOutOfRange) {
  SubmitMany(1);
  RunWhole(1);
  const auto status = [&](uint64_t after) {
    const auto feed = Open(After(All(), after));
    for (;;) {
      JobFeed::Due due = feed->Next();
      if (due.kind != Kind::kNothingYet || !tasks_.RunOne()) return due;
    }
  };
  EXPECT_TRUE(absl::IsOutOfRange(status(LastSequence() + 1).status));
  Execute("DELETE FROM job_event WHERE seq < 3");
  EXPECT_TRUE(absl::IsOutOfRange(status(1).status));
  EXPECT_EQ(status(2).kind, Kind::kMessage);
}

TEST_F(JobFeedTest, ASelectorThatNamesNoJobIsRefused) {
  const auto end = [&](const v1::WatchJobsRequest& request) {
    const auto texts = Drain(Open(request).get());
    return texts.size() == 1 ? texts[0] : "no end";
  };
  EXPECT_EQ(end(All()), "end INVALID_ARGUMENT: selector names no job, must name one");
  EXPECT_EQ(end({}), "end INVALID_ARGUMENT: selector is empty, must name jobs or sweeps");
  EXPECT_EQ(end(Of({7})), "end NOT_FOUND: there is no job 7");
  v1::WatchJobsRequest run;
  run.mutable_selector()->add_run_ids("1.1");
  EXPECT_EQ(end(run), "end INVALID_ARGUMENT: `1.1` is a run, must be a job or a sweep");
}

TEST_F(JobFeedTest, WhatCannotBeReadEndsTheFeedAndIsNoEmptyAnswer) {
  SubmitMany(2);
  const auto feed = Open(All());
  EXPECT_THAT(Drain(feed.get()), ElementsAre("snapshot 1-2"));
  Execute("DROP TABLE job_event");
  hub_.EventsCommitted();
  const auto texts = Drain(feed.get());
  ASSERT_EQ(texts.size(), 1U);
  EXPECT_THAT(texts[0], testing::StartsWith("end INTERNAL"));
  explained_ = absl::UnavailableError("the disk is gone");
  const auto unexplained = Drain(Open(All()).get());
  ASSERT_EQ(unexplained.size(), 1U);
}

TEST_F(JobFeedTest, WhyJobsWaitIsNotLeftOutWhenItCannotBeRead) {
  SubmitMany(1);
  explained_ = absl::UnavailableError("the disk is gone");
  EXPECT_THAT(Drain(Open(All()).get()), ElementsAre("end UNAVAILABLE: the disk is gone"));
}

TEST_F(JobFeedTest, ASlowWatcherDoesNotHoldUpAnother) {
  const auto ids = SubmitMany(45);
  const auto slow = Open(All());
  const auto fast = Open(All());
  Take(slow.get());
  EXPECT_EQ(Drain(fast.get()).size(), 2U);
  CancelRest(ids);
  EXPECT_EQ(Drain(fast.get()).size(), 45U + 1);
  // The second page shows the last 20 finished already.
  EXPECT_EQ(Drain(slow.get()).size(), 1 + 25U + 1);
}

// What a reader that does not read costs: never more than a page or a batch of changes, however
// many jobs and changes there are.
TEST_F(JobFeedTest, WhatWaitsForAReaderDoesNotGrow) {
  const auto ids = SubmitMany(300);
  const auto feed = Open(All());
  Take(feed.get());
  const int posted = tasks_.posted();
  const v1::Run run = Begin(ids[0]);
  for (uint32_t step = 1; step <= 5000; ++step) hub_.Report(ProgressOf(run, step));
  CancelRest(ids);
  for (int i = 0; i < 100; ++i) hub_.EventsCommitted();
  EXPECT_LE(tasks_.posted(), posted + 1);
  tasks_.RunAll();
  int messages = 0;
  while (feed->Next().kind == Kind::kMessage) ++messages;
  EXPECT_LE(messages, 64);
}

TEST_F(JobFeedTest, ATaskThatIsLeftWhenTheFeedIsGoneTellsNobody) {
  SubmitMany(1);
  auto feed = Open(All());
  EXPECT_EQ(feed->Next().kind, Kind::kNothingYet);
  feed.reset();
  EXPECT_EQ(tasks_.waiting(), 1U);
  tasks_.RunAll();
  hub_.EventsCommitted();
  EXPECT_EQ(told_, 0);
}

// What the process has allocated.
size_t HeapBytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(JobFeedTest, ATaskThatIsLeftWhenTheFeedIsGoneHoldsNoRequest) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's allocator counts otherwise";
#endif
  SubmitMany(1);
  constexpr size_t kIds = 100'000;
  constexpr size_t kMost = kIds * sizeof(uint64_t) * 3 / 4;
  // Before the first task, and between two.
  for (const bool is_begun : {false, true}) {
    const size_t before = HeapBytes();
    v1::WatchJobsRequest request;
    for (size_t i = 0; i < kIds; ++i) request.mutable_selector()->add_job_ids(1);
    auto feed = Open(request);
    v1::WatchJobsRequest().Swap(&request);
    EXPECT_EQ(feed->Next().kind, Kind::kNothingYet);
    if (is_begun) {
      ASSERT_TRUE(tasks_.RunOne());
      while (feed->Next().kind == Kind::kMessage) {
      }
    }
    ASSERT_EQ(tasks_.waiting(), 1U);
    EXPECT_GT(HeapBytes(), before + kMost);
    feed.reset();
    EXPECT_LT(HeapBytes(), before + kMost);
    tasks_.RunAll();
  }
}

TEST_F(JobFeedTest, AFeedThatEndsInTheMiddleOfItsTaskEndsThere) {
  SubmitMany(60);
  std::unique_ptr<JobFeed> feed;
  FeedSources sources = Counted();
  sources.explain_waiting = [&feed](std::vector<v1::Job>* /*shown*/) {
    feed.reset();
    return absl::OkStatus();
  };
  feed = Open(sources, All());
  EXPECT_EQ(feed->Next().kind, Kind::kNothingYet);
  tasks_.RunAll();
  EXPECT_EQ(feed, nullptr);
  EXPECT_EQ(told_, 0);
  EXPECT_THAT(held_, IsEmpty()) << "who counts is gone";
}

TEST_F(JobFeedTest, WhatItKnowsOfItsJobsIsCountedPageByPage) {
  SubmitMany(60);
  const auto feed = Open(Counted(), All());
  for (size_t page = 1; page <= 3; ++page) {
    Take(feed.get());
    ASSERT_EQ(held_.size(), page);
    const size_t jobs = std::min<size_t>(page * 25, 60);
    EXPECT_GE(held_.back(), jobs * 32);
    EXPECT_LE(held_.back(), jobs * 64 + 1000);
  }
}

TEST_F(JobFeedTest, OneThatWouldHoldTooMuchEnds) {
  SubmitMany(200);
  for (const bool resumes : {false, true}) {
    most_held_ = 100 * 32;
    const auto feed = Open(Counted(), resumes ? After(All(), 0) : All());
    const std::vector<std::string> texts = Drain(feed.get());
    ASSERT_THAT(texts, testing::Not(IsEmpty()));
    EXPECT_EQ(texts.back(), "end RESOURCE_EXHAUSTED: too much") << resumes;
    EXPECT_LE(texts.size(), 6U);
  }
}

// A writer on a thread of its own, as a page of a browser would be.
class WaitingWriter {
 public:
  WaitingWriter(const FeedSources& sources, WorkThreads* threads, const storage::Caller& caller,
                const v1::WatchJobsRequest& request)
      : feed_(
            sources, [threads](std::function<void()> task) { threads->Post({}, std::move(task)); },
            caller, request, [this] { Wake(); }) {}

  // Until the end.
  absl::Status ReadAll(Reader* reader) {
    for (;;) {
      JobFeed::Due due = feed_.Next();
      if (due.kind == Kind::kEnd) return due.status;
      if (due.kind == Kind::kMessage) reader->Take(due.message);
      if (due.kind == Kind::kNothingYet) Sleep();
    }
  }

 private:
  void Wake() {
    const std::lock_guard lock(mutex_);
    due_ = true;
    woken_.notify_all();
  }
  void Sleep() {
    std::unique_lock lock(mutex_);
    woken_.wait(lock, [this] { return due_; });
    due_ = false;
  }

  std::mutex mutex_;
  std::condition_variable woken_;
  bool due_ = false;
  JobFeed feed_;
};

TEST_F(JobFeedTest, TwoWatchersSeeWholeStoriesWhileEverythingRuns) {
  constexpr size_t kJobs = 130;
  const auto ids = SubmitMany(kJobs);
  WorkThreads threads(2);
  std::vector<std::jthread> watchers;
  for (int i = 0; i < 2; ++i) {
    watchers.emplace_back([&] {
      Reader reader;
      WaitingWriter writer(Sources(), &threads, ann_, All());
      EXPECT_TRUE(writer.ReadAll(&reader).ok());
      reader.ExpectWholeStories(kJobs);
    });
  }
  for (size_t i = 0; i < kJobs; i += 4) {
    const v1::Run run = Begin(ids[i]);
    hub_.Report(ProgressOf(run, 1));
    End(run);
  }
  CancelRest(ids);
}

TEST_F(JobFeedTest, AWatcherThatEndsWhileItIsToldIsNotToldAfterwards) {
  SubmitMany(3);
  const v1::Run run = Begin(1);
  WorkThreads threads(2);
  std::atomic<bool> enough = false;
  std::jthread changes([&] {
    while (!enough) {
      hub_.EventsCommitted();
      hub_.Report(ProgressOf(run, 1));
    }
  });
  std::atomic<int> told = 0;
  for (int i = 0; i < 100; ++i) {
    // What `due` uses goes with the feed: a call afterwards would be a use of freed memory.
    auto alive = std::make_unique<std::atomic<int>>(0);
    JobFeed feed(
        Sources(), [&](std::function<void()> task) { threads.Post({}, std::move(task)); }, ann_,
        All(),
        [&told, alive = alive.get()] {
          ++*alive;
          ++told;
        });
    while (feed.Next().kind != Kind::kMessage) std::this_thread::yield();
    feed.Next();
    // The feed goes first, then `alive`.
  }
  enough = true;
  EXPECT_GT(told, 0);
}

TEST_F(JobFeedTest, TheEndWaitsForACallThatIsBeingMade) {
  SubmitMany(1);
  std::atomic<bool> in_call = false;
  std::atomic<bool> ending = false;
  std::atomic<bool> ended = false;
  std::atomic<bool> ended_within = false;
  auto feed = std::make_unique<JobFeed>(
      Sources(), [this](std::function<void()> task) { tasks_.Post(std::move(task)); }, ann_, All(),
      [&] {
        in_call = true;
        while (!ending) std::this_thread::yield();
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
        ended_within = ended.load();
      });
  EXPECT_EQ(feed->Next().kind, Kind::kNothingYet);
  std::jthread teller([this] { tasks_.RunAll(); });
  while (!in_call) std::this_thread::yield();
  ending = true;
  feed.reset();
  ended = true;
  teller.join();
  EXPECT_FALSE(ended_within);
}

}  // namespace
}  // namespace torchlap::rpc
