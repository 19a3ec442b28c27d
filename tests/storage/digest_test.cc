#include "storage/digest.h"

#include <string>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DigestTest : public StoreTest {
 protected:
  struct Ending {
    v1::Outcome outcome = v1::OUTCOME_OK;
    v1::Validity validity = v1::VALIDITY_CLEAN;
    std::string disturber = {};
    std::string driver = {};
  };
  void Run(const Caller& caller, const Ending& ending) {
    const auto submitted = jobs_->Submit(caller, "", "", "", {MakeJob()}, {42}, ++now_ns_);
    ASSERT_TRUE(submitted.ok()) << submitted.status();
    FinishedRun finished = Ended(Start(submitted->job_ids[0]), ending.outcome);
    finished.run.set_validity(ending.validity);
    if (!ending.disturber.empty()) {
      for (int i = 0; i < 2; ++i) {
        v1::Evidence& evidence = *finished.run.mutable_assessment()->add_evidence();
        evidence.set_process(ending.disturber);
        evidence.set_user("eve");
      }
    }
    if (!ending.driver.empty()) {
      finished.run.set_environment_hash("hash-" + ending.driver);
      finished.environment.emplace().set_driver_version(ending.driver);
    }
    Finish(finished, ending.outcome == v1::OUTCOME_OK ? LaunchDone() : JobFailed("it failed"));
  }
  Digest Read(const DigestQuestion& question) {
    auto digest = ReadDigest(*database_, question);
    EXPECT_TRUE(digest.ok()) << digest.status();
    return digest.ok() ? *std::move(digest) : Digest();
  }
};

TEST_F(DigestTest, NothingHappened) {
  const Digest digest = Read({.since_ns = now_ns_});
  EXPECT_EQ(digest.counts.sweeps(), 0U);
  EXPECT_THAT(digest.counts.outcomes(), IsEmpty());
  EXPECT_THAT(digest.environments, IsEmpty());
}

TEST_F(DigestTest, CountsWhatStartedSince) {
  Run(ann_, {.driver = "570"});
  const int64_t since_ns = ++now_ns_;
  Run(ann_, {.driver = "580"});
  Run(ann_, {.validity = v1::VALIDITY_CONTAMINATED, .disturber = "stress", .driver = "580"});
  Run(bob_, {.outcome = v1::OUTCOME_CRASHED});
  const Digest digest = Read({.since_ns = since_ns});
  const v1::GetDigestResponse& counts = digest.counts;
  EXPECT_EQ(counts.sweeps(), 3U);
  ASSERT_THAT(counts.outcomes(), SizeIs(2));
  EXPECT_EQ(counts.outcomes(0).outcome(), v1::OUTCOME_OK);
  EXPECT_EQ(counts.outcomes(0).runs(), 2U);
  EXPECT_EQ(counts.outcomes(1).outcome(), v1::OUTCOME_CRASHED);
  ASSERT_THAT(counts.users(), SizeIs(2));
  EXPECT_EQ(counts.users(0).user(), "ann") << "the busiest first";
  EXPECT_EQ(counts.users(0).runs(), 2U);
  EXPECT_EQ(counts.users(0).failed_runs(), 0U);
  EXPECT_EQ(counts.users(0).contaminated_runs(), 1U);
  EXPECT_EQ(counts.users(0).device_ns(), 2'000'000'000);
  EXPECT_EQ(counts.users(1).failed_runs(), 1U);
  ASSERT_THAT(counts.devices(), SizeIs(1));
  EXPECT_EQ(counts.devices(0).device(), "cpu0");
  EXPECT_EQ(counts.devices(0).runs(), 3U);
  EXPECT_EQ(counts.devices(0).busy_ns(), 3'000'000'000);
  ASSERT_THAT(counts.disturbers(), SizeIs(1));
  EXPECT_EQ(counts.disturbers(0).process(), "stress (eve)");
  EXPECT_EQ(counts.disturbers(0).runs(), 1U) << "once a run";
  ASSERT_THAT(digest.environments, SizeIs(1));
  EXPECT_EQ(digest.environments[0].device, "cpu0");
  EXPECT_EQ(digest.environments[0].before, "hash-570");
  EXPECT_EQ(digest.environments[0].after, "hash-580");
}

TEST_F(DigestTest, IsOfAUserOrOfAnOwnerAlone) {
  Run(ann_, {.driver = "570"});
  Run(bob_, {.validity = v1::VALIDITY_CONTAMINATED, .disturber = "stress"});
  for (const DigestQuestion& question :
       {DigestQuestion{0, "ann", ""}, {0, "uid:1000", ""}, {0, "", "uid:1000"}}) {
    const Digest digest = Read(question);
    EXPECT_EQ(digest.counts.sweeps(), 1U);
    ASSERT_THAT(digest.counts.users(), SizeIs(1));
    EXPECT_EQ(digest.counts.users(0).user(), "ann");
    EXPECT_EQ(digest.counts.devices(0).runs(), 1U);
    EXPECT_THAT(digest.counts.disturbers(), IsEmpty());
  }
  EXPECT_THAT(Read({0, "bob", "uid:1000"}).counts.users(), IsEmpty());
  EXPECT_THAT(Read({0, "nobody", ""}).counts.outcomes(), IsEmpty());
}

TEST_F(DigestTest, SweepsOfAnotherMachineHideNoneOfThisOne) {
  Run(ann_, {});
  const int64_t since_ns = now_ns_;
  Run(ann_, {});
  Run(ann_, {});
  // As it is when it was taken in later.
  Break("UPDATE sweep SET submitted_at_ns = 1 WHERE id = 3");
  Break("UPDATE job SET host = 'lab2' WHERE sweep_id = 3");
  EXPECT_EQ(Read({.since_ns = since_ns}).counts.sweeps(), 1U);
}

TEST_F(DigestTest, ADeviceOfAnotherMachineIsNamedWithIt) {
  Run(ann_, {.driver = "570"});
  Break("UPDATE device SET uuid = uuid || '@lab2'");
  const Digest digest = Read({});
  ASSERT_THAT(digest.counts.devices(), SizeIs(1));
  EXPECT_EQ(digest.counts.devices(0).device(), "cpu0@lab2");
  ASSERT_THAT(digest.environments, SizeIs(1));
  EXPECT_EQ(digest.environments[0].device, "cpu0@lab2");
}

TEST_F(DigestTest, CanariesAreNobodysSweeps) {
  const int64_t since_ns = now_ns_;
  Run(ann_, {});
  Run({kDaemonPrincipal, "torchlapd"}, {});
  Run({"host:lab2/daemon", "torchlapd@lab2"}, {});
  EXPECT_EQ(Read({.since_ns = since_ns}).counts.sweeps(), 1U);
  EXPECT_EQ(Read({.since_ns = since_ns, .user = "torchlapd"}).counts.sweeps(), 1U);
}

TEST_F(DigestTest, CanariesCountWhereTheirUserIsNamed) {
  Run(ann_, {});
  Run({kDaemonPrincipal, "torchlapd"},
      {.validity = v1::VALIDITY_CONTAMINATED, .disturber = "stress"});
  Break("UPDATE run SET purpose = 6 WHERE job_id = 2");
  const Digest digest = Read({});
  ASSERT_THAT(digest.counts.users(), SizeIs(1));
  EXPECT_EQ(digest.counts.users(0).user(), "ann");
  EXPECT_EQ(digest.counts.devices(0).runs(), 1U);
  EXPECT_THAT(digest.counts.disturbers(), IsEmpty());
  const Digest of_daemon = Read({.user = "torchlapd"});
  ASSERT_THAT(of_daemon.counts.users(), SizeIs(1));
  EXPECT_EQ(of_daemon.counts.users(0).runs(), 1U);
}

}  // namespace
}  // namespace torchlap::storage
