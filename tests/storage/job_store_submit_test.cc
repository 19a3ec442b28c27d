#include <SQLiteCpp/Database.h>

#include <algorithm>
#include <latch>
#include <map>
#include <thread>

#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class JobStoreSubmit : public StoreTest {
 protected:
  // Launches in the order of the queue.
  std::vector<std::pair<uint64_t, uint32_t>> QueuedLaunches() {
    std::vector<std::pair<uint64_t, uint32_t>> launches;
    EXPECT_TRUE(database_
                    ->Read([&](SQLite::Database& database) {
                      Query query(database, "SELECT job_id, launch FROM launch ORDER BY position");
                      while (query.Step()) {
                        launches.emplace_back(query.Uint(0), static_cast<uint32_t>(query.Int(1)));
                      }
                      return absl::OkStatus();
                    })
                    .ok());
    return launches;
  }
};

TEST_F(JobStoreSubmit, JobsComeBackAsTheyWereGiven) {
  NewJob job = MakeJob("small", 8, 128);
  (*job.spec.mutable_labels())["paper"] = "fig 2";
  job.spec.set_device("cpu");
  const Submitted submitted = Submit({job, MakeJob("medium")}, "r1", "my sweep");
  const v1::Job stored = Get(submitted.job_ids[0]);
  EXPECT_EQ(stored.spec().SerializeAsString(), job.spec.SerializeAsString());
  EXPECT_EQ(stored.state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(stored.sweep_id(), submitted.sweep_id);
  EXPECT_EQ(stored.sweep_name(), "my sweep");
  EXPECT_EQ(stored.owner(), "uid:1000");
  EXPECT_EQ(stored.user(), "ann");
  EXPECT_EQ(stored.parameters(), 128'625'408u);
  EXPECT_EQ(stored.submitted_at_ns(), now_ns_);
  EXPECT_EQ(stored.started_at_ns(), 0);
  EXPECT_EQ(stored.device(), "");
  EXPECT_EQ(Get(submitted.job_ids[1]).spec().workload().transformer_lm().preset(), "medium");
}

TEST_F(JobStoreSubmit, TheSameRequestAgainGetsTheSameIds) {
  const Submitted first = Submit({MakeJob(), MakeJob("medium")}, "r1");
  const Submitted second = Submit({MakeJob(), MakeJob("medium")}, "r1");
  EXPECT_EQ(second.sweep_id, first.sweep_id);
  EXPECT_EQ(second.job_ids, first.job_ids);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 2);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM launch"), 2);
}

TEST_F(JobStoreSubmit, ARequestIdWithOtherContentIsRefused) {
  Submit({MakeJob()}, "r1");
  const absl::StatusOr<Submitted> other =
      jobs_->Submit(ann_, "r1", "other digest", "", {MakeJob("medium")}, {0}, now_ns_);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("r1"));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 1);
}

TEST_F(JobStoreSubmit, RequestIdsOfDifferentPrincipalsAreIndependent) {
  const Submitted anns = Submit({MakeJob()}, "r1");
  const absl::StatusOr<Submitted> bobs =
      jobs_->Submit(bob_, "r1", "other digest", "", {MakeJob()}, {0}, now_ns_);
  ASSERT_TRUE(bobs.ok()) << bobs.status();
  EXPECT_NE(bobs->sweep_id, anns.sweep_id);
}

TEST_F(JobStoreSubmit, RequestsWithoutIdAreNeverTheSame) {
  EXPECT_NE(Submit({MakeJob()}).sweep_id, Submit({MakeJob()}).sweep_id);
}

TEST_F(JobStoreSubmit, AFullDiskStoresNothingOfTheRequest) {
  Submit({MakeJob()});
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    const int64_t pages = *storage::SelectInt(database, "PRAGMA page_count");
                    storage::SelectInt(database,
                                       "PRAGMA max_page_count = " + std::to_string(pages + 2));
                    return absl::OkStatus();
                  })
                  .ok());
  const absl::StatusOr<Submitted> refused =
      jobs_->Submit(ann_, "r2", "digest", "", std::vector<NewJob>(2000, MakeJob()), {0}, ++now_ns_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("disk is full"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(file_.string()));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM sweep"), 1);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job_event"), 1);
  EXPECT_EQ(Integrity(), "ok");
}

TEST_F(JobStoreSubmit, AWorkloadIsStoredOnceForEachNameOfIt) {
  NewJob newer = MakeJob();
  newer.spec.mutable_workload()->mutable_transformer_lm()->set_edition("cs336-2026");
  NewJob declared = MakeJob();
  declared.spec.mutable_workload()->mutable_transformer_lm()->clear_edition();
  declared.spec.mutable_workload()->mutable_transformer_lm()->clear_preset();
  Submit({MakeJob(), MakeJob(), newer, declared, declared});
  EXPECT_EQ(SelectInt("SELECT count(*) FROM workload"), 3);
  EXPECT_EQ(SelectInt("SELECT count(DISTINCT workload_hash) FROM workload"), 1);
}

TEST_F(JobStoreSubmit, SingleLaunchesAreQueuedInTheOrderGiven) {
  const Submitted s = Submit({MakeJob(), MakeJob("medium"), MakeJob("large")});
  EXPECT_THAT(QueuedLaunches(),
              ElementsAre(std::pair(s.job_ids[0], 0u), std::pair(s.job_ids[1], 0u),
                          std::pair(s.job_ids[2], 0u)));
}

TEST_F(JobStoreSubmit, LaunchesAreInterleavedOverTheCellsInShuffledOrder) {
  const Submitted s = Submit(std::vector<NewJob>(8, MakeJob("small", 3)));
  const auto launches = QueuedLaunches();
  ASSERT_EQ(launches.size(), 24u);
  std::map<uint32_t, std::vector<uint64_t>> order;
  for (size_t i = 0; i < launches.size(); ++i) {
    EXPECT_EQ(launches[i].second, i / 8) << "every cell once before any cell again";
    order[launches[i].second].push_back(launches[i].first);
  }
  for (const auto& [launch, cells] : order) {
    EXPECT_THAT(cells, testing::UnorderedElementsAreArray(s.job_ids));
    EXPECT_NE(cells, s.job_ids) << "8! orders: seed 42 happens to give others";
  }
  EXPECT_NE(order[0], order[1]);
}

TEST_F(JobStoreSubmit, IdsAreNotReusedAfterAJobIsGone) {
  const uint64_t id = SubmitOne(MakeJob());
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    database.exec("DELETE FROM launch; DELETE FROM job_event; DELETE FROM job");
                    return absl::OkStatus();
                  })
                  .ok());
  Reopen();
  EXPECT_EQ(SubmitOne(MakeJob()), id + 1);
}

TEST_F(JobStoreSubmit, CellsAreQueuedInTheirOrderUnlessTheyAreToBeShuffled) {
  const std::vector<NewJob> jobs(20, MakeJob());
  const auto order = [&](const Submitted& submitted) {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < submitted.job_ids.size(); ++i) {
      const uint64_t id = Heads().at(0).job_id;
      ids.push_back(id);
      Finish(Ended(Start(id)), LaunchDone());
    }
    return ids;
  };
  const Submitted plain = Submit(jobs);
  EXPECT_EQ(order(plain), plain.job_ids);
  const Submitted shuffled =
      jobs_->Submit(ann_, "", "digest", "", jobs, {42, true}, ++now_ns_).value();
  std::vector<uint64_t> ids = order(shuffled);
  EXPECT_NE(ids, shuffled.job_ids);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, shuffled.job_ids);
}

// Calls `body` with 0 and 1 in two threads at once.
template <typename Body>
void TwiceAtOnce(const Body& body) {
  std::latch together(2);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      together.arrive_and_wait();
      body(i);
    });
  }
}

TEST_F(JobStoreSubmit, OfTwoSubmitsAtOnceOnlyOneFindsTheLastRoom) {
  for (int round = 0; round < 20; ++round) {
    const auto queued = static_cast<uint32_t>(SelectInt("SELECT count(*) FROM job"));
    Reopen(10, queued + 3);
    std::vector<absl::Status> statuses(2);
    TwiceAtOnce([&](int i) {
      statuses[i] = jobs_->Submit(ann_, "", "", "", {MakeJob(), MakeJob()}, {1}, now_ns_).status();
    });
    std::sort(statuses.begin(), statuses.end(),
              [](const absl::Status& a, const absl::Status& b) { return a.ok() && !b.ok(); });
    EXPECT_TRUE(statuses[0].ok()) << statuses[0];
    EXPECT_EQ(statuses[1], absl::ResourceExhaustedError(
                               std::to_string(queued + 2) +
                               " jobs are queued and 2 are asked for, must be at most " +
                               std::to_string(queued + 3) + " together (max_queued_jobs)"));
    EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), queued + 2);
  }
}

TEST_F(JobStoreSubmit, ARequestThatIsSentTwiceAtOnceIsStoredOnce) {
  for (int round = 0; round < 20; ++round) {
    const auto queued = static_cast<uint32_t>(SelectInt("SELECT count(*) FROM job"));
    Reopen(10, queued + 2);
    std::vector<absl::StatusOr<Submitted>> answers(2);
    TwiceAtOnce([&](int i) {
      answers[i] = jobs_->Submit(ann_, "r" + std::to_string(round), "digest", "",
                                 {MakeJob(), MakeJob()}, {1}, now_ns_);
    });
    for (const auto& answer : answers) ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answers[0]->sweep_id, answers[1]->sweep_id);
    EXPECT_EQ(answers[0]->job_ids, answers[1]->job_ids);
    EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), queued + 2);
  }
}

TEST_F(JobStoreSubmit, AFullQueueStillAnswersARequestThatItKnows) {
  Reopen(10, 2);
  const Submitted first = Submit({MakeJob(), MakeJob()}, "r1");
  EXPECT_EQ(Submit({MakeJob(), MakeJob()}, "r1").job_ids, first.job_ids);
  EXPECT_EQ(jobs_->Submit(ann_, "r2", "", "", {MakeJob()}, {1}, now_ns_).status().code(),
            absl::StatusCode::kResourceExhausted);
  // Running jobs are not queued.
  Start(first.job_ids[0]);
  EXPECT_TRUE(jobs_->Submit(ann_, "r2", "", "", {MakeJob()}, {1}, now_ns_).ok());
}

}  // namespace
}  // namespace torchlap::storage
