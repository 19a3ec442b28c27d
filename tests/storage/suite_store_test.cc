#include "storage/suite_store.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

v1::AddSuiteRequest Nightly(const std::string& name,
                            const std::vector<std::string>& devices = {""}) {
  v1::AddSuiteRequest asked;
  asked.set_name(name);
  asked.mutable_time()->set_minute_of_day(120);
  for (const std::string& device : devices) {
    v1::SuiteSweep* sweep = asked.add_sweeps();
    sweep->set_name("on " + device);
    for (int i = 0; i < 2; ++i) {
      *sweep->add_jobs() = MakeJob().spec;
      sweep->mutable_jobs(i)->set_device(device);
    }
  }
  return asked;
}

class SuiteStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    suites_.emplace(database_.get());
  }
  bool Put(const Caller& caller, const v1::AddSuiteRequest& asked) {
    const auto replaced = suites_->Put(caller, asked, ++now_ns_);
    EXPECT_TRUE(replaced.ok()) << replaced.status();
    return replaced.ok() && *replaced;
  }
  std::vector<StoredSuite> List(const std::string& user = "", const std::string& only_owner = "") {
    auto suites = suites_->List(user, only_owner);
    EXPECT_TRUE(suites.ok()) << suites.status();
    return suites.ok() ? *std::move(suites) : std::vector<StoredSuite>();
  }
  std::vector<std::string> Names(const std::string& user = "", const std::string& only_owner = "") {
    std::vector<std::string> names;
    for (const StoredSuite& suite : List(user, only_owner)) {
      names.push_back(suite.user + "/" + suite.name);
    }
    return names;
  }
  // The only one that there is.
  StoredSuite Only() {
    const std::vector<StoredSuite> suites = List();
    EXPECT_THAT(suites, SizeIs(1));
    return suites.empty() ? StoredSuite() : suites.front();
  }

  std::optional<SuiteStore> suites_;
};

TEST_F(SuiteStoreTest, ASuiteIsListedWithWhatItsJobsAskFor) {
  EXPECT_FALSE(Put(ann_, Nightly("night", {"cuda", "cpu0", "\"odd\""})));
  const StoredSuite suite = Only();
  EXPECT_EQ(suite.principal, "uid:1000");
  EXPECT_EQ(suite.user, "ann");
  EXPECT_EQ(suite.account, "ann");
  EXPECT_EQ(suite.name, "night");
  EXPECT_EQ(suite.time.minute_of_day(), 120U);
  EXPECT_THAT(suite.devices, ElementsAre("\"odd\"", "cpu0", "cuda"));
  EXPECT_EQ(suite.sweeps, 3U);
  EXPECT_EQ(suite.jobs, 6U);
  EXPECT_EQ(suite.added_at_ns, now_ns_);
  EXPECT_EQ(suite.last_at_ns, 0);
  EXPECT_THAT(suite.last_sweep_ids, IsEmpty());
  EXPECT_EQ(suite.problem, "");
  const auto asked = suites_->Asked(suite);
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ(asked->sweeps(1).name(), "on cpu0");
}

TEST_F(SuiteStoreTest, OneThatWaitsForIdleDevicesKeepsItsTimes) {
  v1::AddSuiteRequest asked = Nightly("spare");
  asked.mutable_time()->set_idle_ns(600);
  asked.mutable_time()->set_at_most_every_ns(7000);
  Put(ann_, asked);
  EXPECT_TRUE(Only().time.has_idle_ns());
  EXPECT_EQ(Only().time.idle_ns(), 600);
  EXPECT_EQ(Only().time.at_most_every_ns(), 7000);
}

TEST_F(SuiteStoreTest, AnOwnersNameIsReplacedAndWhatItDidStaysKnown) {
  Put(ann_, Nightly("night"));
  Put(bob_, Nightly("night"));
  const StoredSuite before = List("ann").front();
  ASSERT_TRUE(suites_->Note(before, 77, {3, 4}, "one failed").ok());
  EXPECT_TRUE(Put(ann_, Nightly("night", {"cpu", "cuda"})));
  const StoredSuite after = List("ann").front();
  EXPECT_EQ(after.sweeps, 2U);
  EXPECT_EQ(after.last_at_ns, 77);
  EXPECT_THAT(after.last_sweep_ids, ElementsAre(3, 4));
  EXPECT_EQ(after.problem, "") << "of what is not there any more";
  EXPECT_GT(after.added_at_ns, before.added_at_ns);
  EXPECT_TRUE(absl::IsNotFound(suites_->Asked(before).status()));
  EXPECT_THAT(Names(), ElementsAre("ann/night", "bob/night"));
}

TEST_F(SuiteStoreTest, ATimeWithoutSweepsLeavesThoseOfTheTimeBefore) {
  Put(ann_, Nightly("night"));
  ASSERT_TRUE(suites_->Note(Only(), 70, {3}, "").ok());
  ASSERT_TRUE(suites_->Note(Only(), 80, {}, "not finished").ok());
  EXPECT_EQ(Only().last_at_ns, 80);
  EXPECT_THAT(Only().last_sweep_ids, ElementsAre(3));
  EXPECT_EQ(Only().problem, "not finished");
  ASSERT_TRUE(suites_->Note(Only(), 90, {5}, "").ok());
  EXPECT_THAT(Only().last_sweep_ids, ElementsAre(5));
  EXPECT_EQ(Only().problem, "");
}

TEST_F(SuiteStoreTest, NothingIsNotedOfOneThatWasReplacedMeanwhile) {
  Put(ann_, Nightly("night"));
  const StoredSuite before = Only();
  Put(ann_, Nightly("night"));
  ASSERT_TRUE(suites_->Note(before, 77, {3}, "").ok());
  EXPECT_EQ(Only().last_at_ns, 0);
}

TEST_F(SuiteStoreTest, ListsThoseOfAUserAndOfWhoMaySeeNoOthers) {
  Put(ann_, Nightly("b"));
  Put(ann_, Nightly("a"));
  Put(bob_, Nightly("c"));
  EXPECT_THAT(Names(), ElementsAre("ann/a", "ann/b", "bob/c"));
  EXPECT_THAT(Names("bob"), ElementsAre("bob/c"));
  EXPECT_THAT(Names("uid:1000"), ElementsAre("ann/a", "ann/b"));
  EXPECT_THAT(Names("", "uid:1001"), ElementsAre("bob/c"));
  EXPECT_THAT(Names("ann", "uid:1001"), IsEmpty());
  EXPECT_THAT(Names("eve"), IsEmpty());
}

TEST_F(SuiteStoreTest, TheOwnerAndAdminsAloneRemoveIt) {
  Put(ann_, Nightly("a"));
  Put(ann_, Nightly("b"));
  EXPECT_EQ(suites_->Remove(bob_, "ann", "a"),
            absl::PermissionDeniedError(
                "suite 'a' belongs to ann; only its owner or an admin may remove it"));
  EXPECT_EQ(suites_->Remove(bob_, "uid:1001", "a"),
            absl::NotFoundError("there is no suite 'a' of uid:1001"));
  EXPECT_EQ(suites_->Remove(ann_, "ann", "c"), absl::NotFoundError("there is no suite 'c' of ann"));
  EXPECT_THAT(Names(), SizeIs(2));
  EXPECT_TRUE(suites_->Remove(ann_, "uid:1000", "a").ok());
  EXPECT_TRUE(suites_->Remove(root_, "ann", "b").ok());
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(SuiteStoreTest, NobodyHasMoreThanAHundred) {
  for (uint32_t i = 0; i < kMostSuites; ++i) Put(ann_, Nightly(std::to_string(i)));
  const auto more = suites_->Put(ann_, Nightly("more"), ++now_ns_);
  EXPECT_EQ(more.status(), absl::ResourceExhaustedError(
                               "ann has 100 suites, must be at most 100: remove one first"));
  EXPECT_TRUE(Put(ann_, Nightly("7"))) << "one that is there already";
  EXPECT_FALSE(Put(bob_, Nightly("more")));
}

TEST_F(SuiteStoreTest, TellsWhichSweepsAreNotFinished) {
  const Submitted waits = Submit({MakeJob(), MakeJob("medium")});
  const uint64_t ended = RunToEnd(MakeJob());
  const uint64_t ended_sweep = Get(ended).sweep_id();
  const auto unfinished = suites_->Unfinished({waits.sweep_id, ended_sweep, 4711});
  ASSERT_TRUE(unfinished.ok()) << unfinished.status();
  EXPECT_THAT(*unfinished, ElementsAre(waits.sweep_id));
}

TEST_F(SuiteStoreTest, ADamagedSuiteSaysSo) {
  Put(ann_, Nightly("night"));
  Break("UPDATE suite SET asked = x'ffff'");
  EXPECT_EQ(suites_->Asked(Only()).status().message(), "suite 'night' of ann cannot be read");
  EXPECT_TRUE(absl::IsDataLoss(suites_->Asked(Only()).status()));
}

}  // namespace
}  // namespace torchlap::storage
