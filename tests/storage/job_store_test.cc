#include "storage/job_store.h"

#include <set>
#include <string>

#include "storage/sqlite_connection.h"
#include "storage/suite_store.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class JobStoreQueries : public StoreTest {
 protected:
  std::vector<uint64_t> List(const JobFilter& filter) {
    absl::StatusOr<std::vector<v1::Job>> jobs = jobs_->List(filter);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    std::vector<uint64_t> ids;
    for (const v1::Job& job : *jobs) ids.push_back(job.job_id());
    return ids;
  }
  std::vector<v1::JobEvent> Events(uint64_t after, uint32_t limit = 1000) {
    absl::StatusOr<std::vector<v1::JobEvent>> events = jobs_->Events(after, limit);
    EXPECT_TRUE(events.ok()) << events.status();
    return events.ok() ? *events : std::vector<v1::JobEvent>();
  }
  uint64_t SubmitAs(const Caller& caller, const NewJob& job) {
    return jobs_->Submit(caller, "", "", "", {job}, {0}, ++now_ns_).value().job_ids[0];
  }
};

TEST_F(JobStoreQueries, AJobThatIsNotThereIsNotFound) {
  const absl::Status status = jobs_->Get(3).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "there is no job 3");
}

TEST_F(JobStoreQueries, FiltersNarrowAList) {
  const uint64_t done = RunToEnd(MakeJob());
  const Submitted sweep = Submit({MakeJob(), MakeJob()});
  const uint64_t bobs = SubmitAs(bob_, MakeJob());
  Start(sweep.job_ids[1]);
  JobFilter filter;
  EXPECT_THAT(List(filter), ElementsAre(done, sweep.job_ids[0], sweep.job_ids[1], bobs));
  filter.states = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING};
  EXPECT_THAT(List(filter), ElementsAre(sweep.job_ids[0], sweep.job_ids[1], bobs));
  filter.states = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_SUCCEEDED};
  EXPECT_THAT(List(filter), ElementsAre(done, sweep.job_ids[0], bobs));
  filter.user = "ann";
  EXPECT_THAT(List(filter), ElementsAre(done, sweep.job_ids[0]));
  filter = JobFilter();
  filter.user = "uid:1001";
  EXPECT_THAT(List(filter), ElementsAre(bobs));
  filter.user = "nobody";
  EXPECT_THAT(List(filter), IsEmpty());
}

TEST_F(JobStoreQueries, JobsAndSweepsAreAUnion) {
  const uint64_t one = SubmitOne(MakeJob());
  const Submitted sweep = Submit({MakeJob(), MakeJob()});
  SubmitOne(MakeJob());
  JobFilter filter;
  filter.job_ids = {one, sweep.job_ids[0], 999};
  filter.sweep_ids = {sweep.sweep_id};
  EXPECT_THAT(List(filter), ElementsAre(one, sweep.job_ids[0], sweep.job_ids[1]));
}

TEST_F(JobStoreQueries, PagesOfJobsGoOnBehindTheLastId) {
  const Submitted sweep = Submit(std::vector<NewJob>(5, MakeJob()));
  JobFilter filter;
  filter.limit = 2;
  std::vector<uint64_t> all;
  for (std::vector<uint64_t> page = List(filter); !page.empty(); page = List(filter)) {
    EXPECT_LE(page.size(), 2u);
    all.insert(all.end(), page.begin(), page.end());
    filter.after_job_id = page.back();
  }
  EXPECT_EQ(all, sweep.job_ids);
}

TEST_F(JobStoreQueries, TheQueueNamesEachJobOnceInTheOrderOfItsFirstLaunch) {
  NewJob urgent = MakeJob();
  urgent.spec.set_priority(5);
  const uint64_t first = SubmitOne(MakeJob("small", 3));
  const uint64_t second = SubmitOne(MakeJob());
  const uint64_t third = SubmitOne(urgent);
  const uint64_t fourth = SubmitOne(MakeJob());
  Start(fourth);
  const Queued queued = jobs_->Queue().value();
  std::vector<uint64_t> ids;
  for (const Queued::Entry& entry : queued.entries) ids.push_back(entry.job_id);
  EXPECT_THAT(ids, ElementsAre(fourth, third, first, second));
  EXPECT_EQ(queued.sequence, jobs_->LastSequence().value());
}

TEST_F(JobStoreQueries, TheQueueIsInTheOrderOfWhoUsedLeast) {
  const auto ids = [&] {
    std::vector<uint64_t> found;
    const Queued queued = jobs_->Queue().value();
    for (const Queued::Entry& entry : queued.entries) found.push_back(entry.job_id);
    return found;
  };
  const uint64_t anns = SubmitOne(MakeJob());
  const uint64_t bobs = SubmitAs(bob_, MakeJob());
  const uint64_t anns_next = SubmitOne(MakeJob());
  EXPECT_THAT(ids(), ElementsAre(anns, bobs, anns_next)) << "nobody used anything";
  const uint64_t used = RunToEnd(MakeJob());
  EXPECT_THAT(ids(), ElementsAre(bobs, anns, anns_next)) << "ann used " << used;
  NewJob urgent = MakeJob();
  urgent.spec.set_priority(5);
  const uint64_t anns_urgent = SubmitOne(urgent);
  EXPECT_THAT(ids(), ElementsAre(anns_urgent, bobs, anns, anns_next));
  Start(anns_next);
  EXPECT_THAT(ids(), ElementsAre(anns_next, anns_urgent, bobs, anns));
}

TEST_F(JobStoreQueries, TheQueueNamesEachDeviceKeyOnce) {
  std::vector<std::string> keys = {"class:cpu", "any", "class:cpu", "uuid:CPU-1", "any"};
  for (const std::string& key : keys) {
    NewJob job = MakeJob();
    job.device_key = key;
    SubmitOne(job);
  }
  const Queued queued = jobs_->Queue().value();
  EXPECT_THAT(queued.keys, ElementsAre("class:cpu", "any", "uuid:CPU-1"));
  std::vector<std::string> told;
  for (const Queued::Entry& entry : queued.entries) told.push_back(queued.keys[entry.key]);
  EXPECT_EQ(told, keys);
}

TEST_F(JobStoreQueries, HeadsAreTheFirstLaunchesOfEachOwnerPriorityAndDeviceKey) {
  NewJob urgent = MakeJob();
  urgent.spec.set_priority(1);
  NewJob elsewhere = MakeJob();
  elsewhere.device_key = "class:cuda";
  NewJob any = MakeJob();
  any.device_key = "any";
  const uint64_t anns = SubmitOne(MakeJob("small", 2));
  SubmitOne(MakeJob());
  const uint64_t anns_urgent = SubmitOne(urgent);
  const uint64_t bobs = SubmitAs(bob_, MakeJob());
  SubmitAs(bob_, MakeJob());
  SubmitAs(bob_, elsewhere);
  const uint64_t bobs_any = SubmitAs(bob_, any);
  std::set<uint64_t> ids;
  for (const QueueHead& head : Heads()) {
    ids.insert(head.job_id);
    EXPECT_EQ(head.launch, 0u);
    EXPECT_EQ(head.owner, head.job_id >= bobs ? "uid:1001" : "uid:1000");
    EXPECT_EQ(head.priority, head.job_id == anns_urgent ? 1 : 0);
    EXPECT_EQ(head.owner_recent_device_ns, 0);
  }
  EXPECT_EQ(Heads().size(), 4u);
  EXPECT_THAT(ids, ElementsAre(anns, anns_urgent, bobs, bobs_any));
}

TEST_F(JobStoreQueries, ASelectorIsResolvedToIds) {
  Submit({MakeJob()}, "", "day");
  const Submitted named = Submit({MakeJob()}, "", "night");
  const Submitted last = Submit({MakeJob()});
  // Of a suite that came at night: nobody's last.
  Submit({MakeJob()}, std::string(kSuiteRequests) + "digest/1/0/0");
  SubmitAs(bob_, MakeJob());
  v1::Selector selector;
  selector.add_job_ids(1);
  selector.add_sweep_ids(1);
  selector.add_sweep_names("night");
  selector.set_last(true);
  const absl::StatusOr<JobFilter> filter = jobs_->Resolve(selector, ann_);
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_THAT(filter->job_ids, ElementsAre(1u));
  EXPECT_THAT(filter->sweep_ids, ElementsAre(1u, named.sweep_id, last.sweep_id));
  selector.set_all(true);
  const absl::StatusOr<JobFilter> all = jobs_->Resolve(selector, ann_);
  EXPECT_TRUE(all->job_ids.empty() && all->sweep_ids.empty());
}

TEST_F(JobStoreQueries, ANameOfSeveralSweepsIsRefusedWithTheNewestOfThem) {
  v1::Selector selector;
  selector.add_sweep_names("night");
  const auto refusal = [&] {
    const absl::Status status = jobs_->Resolve(selector, ann_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  Submit({MakeJob()}, "", "night");
  EXPECT_TRUE(jobs_->Resolve(selector, ann_).ok());
  SubmitAs(bob_, MakeJob());
  Submit({MakeJob()}, "", "night");
  EXPECT_EQ(refusal(), "sweep:night is sweep:3, sweep:1, must be one of them by its number");
  for (int i = 0; i < 4; ++i) Submit({MakeJob()}, "", "night");
  EXPECT_EQ(refusal(),
            "sweep:night is sweep:7, sweep:6, sweep:5, sweep:4, sweep:3 and 1 more, must be one of "
            "them by its number");
}

// Older programs took names with characters that nobody sees.
TEST_F(JobStoreQueries, ANameThatNobodyCanTypeIsFoundByWhatListsShow) {
  const std::pair<std::string, std::string> names[] = {{"a\x1b[31mred", "a\\x1b[31mred"},
                                                       {"two\nlines", "two\\nlines"},
                                                       {"\u202eback", "\\u202eback"}};
  for (const auto& [name, shown] : names) {
    const Submitted submitted = Submit({MakeJob()}, "", name);
    v1::Selector selector;
    selector.add_sweep_names(shown);
    const absl::StatusOr<JobFilter> filter = jobs_->Resolve(selector, ann_);
    ASSERT_TRUE(filter.ok()) << filter.status();
    EXPECT_THAT(filter->sweep_ids, testing::ElementsAre(submitted.sweep_id));
    NewJob job = MakeJob();
    (*job.spec.mutable_labels())["k" + name] = name;
    RunToEnd(job);
    v1::RunFilter by_label;
    (*by_label.mutable_labels())["k" + shown] = shown;
    EXPECT_EQ(runs_->List(by_label, {}, true, 10, "")->runs.size(), 1);
    const auto count = [&](const JobFilter& selected) {
      int rows = 0;
      EXPECT_TRUE(runs_
                      ->Export(by_label, selected, false,
                               [&](RunRows batch) {
                                 rows += batch.size();
                                 return absl::OkStatus();
                               })
                      .ok());
      return rows;
    };
    JobFilter of_owner;
    of_owner.only_owner = "uid:1000";
    EXPECT_EQ(count({}), 1);
    EXPECT_EQ(count(of_owner), 1);
    of_owner.only_owner = "uid:1001";
    EXPECT_EQ(count(of_owner), 0);
  }
  // What is written with a backslash comes first.
  const Submitted plain = Submit({MakeJob()}, "", "two\\nlines");
  v1::Selector selector;
  selector.add_sweep_names("two\\nlines");
  EXPECT_THAT(jobs_->Resolve(selector, ann_)->sweep_ids, testing::ElementsAre(plain.sweep_id));
}

TEST_F(JobStoreQueries, WhatASelectorNamesMustBeThere) {
  RunToEnd(MakeJob());
  const auto message = [&](const auto& fill) {
    v1::Selector selector;
    fill(&selector);
    const absl::Status status = jobs_->Resolve(selector, bob_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << selector.DebugString();
    return std::string(status.message());
  };
  EXPECT_EQ(message([](v1::Selector* s) { s->add_job_ids(9); }), "there is no job 9");
  EXPECT_EQ(message([](v1::Selector* s) { s->add_sweep_ids(9); }), "there is no sweep 9");
  EXPECT_EQ(message([](v1::Selector* s) { s->add_run_ids("1.2"); }), "there is no run 1.2");
  EXPECT_THAT(message([](v1::Selector* s) { s->add_sweep_names("x"); }), HasSubstr("'x'"));
  EXPECT_THAT(message([](v1::Selector* s) { s->set_last(true); }), HasSubstr("bob"));
  v1::Selector known;
  known.add_run_ids("1.1");
  EXPECT_TRUE(jobs_->Resolve(known, bob_).ok());
  v1::Selector garbled;
  garbled.add_run_ids("1.x");
  EXPECT_EQ(jobs_->Resolve(garbled, bob_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(JobStoreQueries, EveryChangeIsAnEventWithItsRun) {
  const uint64_t id = SubmitOne(MakeJob());
  Finish(Ended(Start(id), v1::OUTCOME_OUT_OF_MEMORY), TryAgain(2, 256));
  Finish(Ended(Start(id)), LaunchDone());
  const std::vector<v1::JobEvent> events = Events(0);
  ASSERT_EQ(events.size(), 5u);
  std::vector<v1::JobState> states;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence(), i + 1);
    EXPECT_EQ(events[i].job_id(), id);
    EXPECT_EQ(events[i].sweep_id(), 1u);
    states.push_back(events[i].state());
  }
  EXPECT_THAT(states, ElementsAre(v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED,
                                  v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED));
  EXPECT_FALSE(events[0].has_run());
  EXPECT_EQ(events[1].run().number(), 1u);
  EXPECT_EQ(events[1].run().outcome(), v1::OUTCOME_UNSPECIFIED) << "as it was when it began";
  EXPECT_FALSE(events[1].run().has_duration_ns());
  EXPECT_EQ(events[1].run().workload().transformer_lm().preset(), "small");
  EXPECT_EQ(events[2].run().outcome(), v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_EQ(events[3].run().number(), 2u);
  EXPECT_EQ(events[4].run().step().mean_ns(), 31e6);
  EXPECT_EQ(events[4].at_ns(), now_ns_);
}

TEST_F(JobStoreQueries, EventsResumeWithoutGapOrDuplicateAlsoAfterARestart) {
  Submit(std::vector<NewJob>(5, MakeJob()));
  const uint64_t seen = Events(0, 3).back().sequence();
  EXPECT_EQ(seen, 3u);
  Reopen();
  Start(1);
  std::vector<uint64_t> rest;
  for (const v1::JobEvent& event : Events(seen)) rest.push_back(event.sequence());
  EXPECT_THAT(rest, ElementsAre(4u, 5u, 6u));
  EXPECT_EQ(*jobs_->LastSequence(), 6u);
  EXPECT_THAT(Events(6), IsEmpty());
}

TEST_F(JobStoreQueries, ANumberThatIsNotKnownIsOutOfRange) {
  EXPECT_THAT(Events(0), IsEmpty());
  EXPECT_EQ(*jobs_->LastSequence(), 0u);
  EXPECT_EQ(jobs_->Events(1, 10).status().code(), absl::StatusCode::kOutOfRange);
  Submit(std::vector<NewJob>(5, MakeJob()));
  EXPECT_EQ(jobs_->Events(6, 10).status().code(), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    database.exec("DELETE FROM job_event WHERE seq <= 3");
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(jobs_->Events(2, 10).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Events(3).size(), 2u) << "nothing after 3 is missing";
}

TEST_F(JobStoreQueries, SequenceNumbersAreNotReused) {
  Submit({MakeJob(), MakeJob()});
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    database.exec("DELETE FROM job_event");
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(*jobs_->LastSequence(), 2u);
  EXPECT_THAT(Events(2), IsEmpty());
  Start(1);
  EXPECT_EQ(Events(2).at(0).sequence(), 3u);
}

TEST_F(JobStoreQueries, JobsAndRunsAreCounted) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  const Submitted sweep = Submit(std::vector<NewJob>(3, MakeJob()));
  Start(sweep.job_ids[1]);
  const absl::StatusOr<JobStore::Counts> counts = jobs_->Count();
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->queued_jobs, 2u);
  EXPECT_EQ(counts->running_jobs, 1u);
  EXPECT_EQ(counts->finished_runs, 2u);
}

TEST_F(JobStoreQueries, PagesOfListedJobsHaveEachOfThemOnceInWhateverOrderTheyAreNamed) {
  const Submitted submitted = Submit(std::vector<NewJob>(30, MakeJob()));
  v1::Selector selector;
  for (auto id = submitted.job_ids.rbegin(); id != submitted.job_ids.rend(); ++id) {
    for (int i = 0; i < 3; ++i) selector.add_job_ids(*id);
  }
  const auto resolved = jobs_->Resolve(selector, ann_);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  JobFilter unordered;
  unordered.job_ids.assign(selector.job_ids().begin(), selector.job_ids().end());
  JobFilter with_sweep = *resolved;
  with_sweep.job_ids.resize(5);
  with_sweep.sweep_ids = {submitted.sweep_id};
  JobFilter of_ann = *resolved;
  of_ann.user = "ann";
  for (JobFilter filter : {*resolved, unordered, with_sweep, of_ann}) {
    filter.limit = 7;
    std::vector<uint64_t> ids;
    for (size_t page = 7; page == 7;) {
      const auto jobs = jobs_->List(filter);
      ASSERT_TRUE(jobs.ok()) << jobs.status();
      page = jobs->size();
      for (const v1::Job& job : *jobs) ids.push_back(job.job_id());
      if (page > 0) filter.after_job_id = ids.back();
    }
    EXPECT_EQ(ids, submitted.job_ids);
  }
}

}  // namespace
}  // namespace torchlap::storage
