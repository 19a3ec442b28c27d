#include "server/rpc/suites.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "storage/suite_store.h"
#include "tests/server/rpc/calls_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SuitesTest : public CallsTest {
 protected:
  static v1::AddSuiteRequest Suite(const std::string& name = "night") {
    v1::AddSuiteRequest request;
    request.set_name(name);
    request.mutable_time()->set_minute_of_day(120);
    for (const char* sweep_name : {"main", "long"}) {
      v1::SuiteSweep* sweep = request.add_sweeps();
      sweep->set_name(sweep_name);
      sweep->add_jobs()->mutable_workload()->mutable_transformer_lm()->set_preset("small");
    }
    return request;
  }
  static v1::JobSpec* FirstJob(v1::AddSuiteRequest* request) {
    return request->mutable_sweeps(0)->mutable_jobs(0);
  }
  v1::AddSuiteResponse Add(const storage::Caller& caller, const v1::AddSuiteRequest& request) {
    v1::AddSuiteResponse response;
    const absl::Status status = calls_->add_suite.Answer(caller, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  absl::Status Refusal(const v1::AddSuiteRequest& request) {
    v1::AddSuiteResponse response;
    absl::Status status = calls_->add_suite.Answer(ann_, request, &response);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(List(root_), IsEmpty());
    return status;
  }
  std::string Message(const v1::AddSuiteRequest& request) {
    return std::string(Refusal(request).message());
  }
  std::vector<v1::Suite> List(const storage::Caller& caller, const std::string& user = "") {
    v1::ListSuitesRequest request;
    request.set_user(user);
    v1::ListSuitesResponse response;
    const absl::Status status = calls_->list_suites.Answer(caller, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return {response.suites().begin(), response.suites().end()};
  }
  absl::Status Remove(const storage::Caller& caller, const std::string& name,
                      const std::string& user = "") {
    v1::RemoveSuiteRequest request;
    request.set_name(name);
    request.set_user(user);
    v1::RemoveSuiteResponse response;
    return calls_->remove_suite.Answer(caller, request, &response);
  }
};

TEST_F(SuitesTest, AreAddedListedAndRemoved) {
  const v1::AddSuiteResponse added = Add(ann_, Suite());
  EXPECT_FALSE(added.replaced());
  EXPECT_GT(added.next_at_ns(), WallNs());
  const std::vector<v1::Suite> suites = List(ann_);
  ASSERT_THAT(suites, SizeIs(1));
  EXPECT_EQ(suites[0].name(), "night");
  EXPECT_EQ(suites[0].user(), "ann");
  EXPECT_EQ(suites[0].time().minute_of_day(), 120U);
  EXPECT_EQ(suites[0].sweeps(), 2U);
  EXPECT_EQ(suites[0].jobs(), 2U);
  EXPECT_GT(suites[0].added_at_ns(), 0);
  EXPECT_EQ(suites[0].last_at_ns(), 0);
  EXPECT_EQ(suites[0].next_at_ns(), added.next_at_ns());
  EXPECT_TRUE(Add(ann_, Suite()).replaced());
  EXPECT_TRUE(Remove(ann_, "night").ok());
  EXPECT_THAT(List(ann_), IsEmpty());
  EXPECT_EQ(Remove(ann_, "night"),
            absl::NotFoundError("there is no suite 'night' of ann; you have none"));
}

TEST_F(SuitesTest, WhoMistypesANameIsToldHisOwn) {
  Add(ann_, Suite("night"));
  Add(ann_, Suite("w2"));
  Add(bob_, Suite("secret"));
  EXPECT_EQ(Remove(ann_, "nihgt"),
            absl::NotFoundError("there is no suite 'nihgt' of ann; yours: night, w2"));
  for (int i = 0; i < 10; ++i) Add(ann_, Suite("x" + std::to_string(i)));
  EXPECT_EQ(Remove(ann_, "nihgt"),
            absl::NotFoundError("there is no suite 'nihgt' of ann; yours: night, w2, x0, x1, x2, "
                                "x3, x4, x5, x6, x7, 2 more"));
}

TEST_F(SuitesTest, OneForIdleDevicesHasNoNextTime) {
  v1::AddSuiteRequest request = Suite();
  request.mutable_time()->set_idle_ns(600'000'000'000);
  EXPECT_FALSE(Add(ann_, request).has_next_at_ns());
  EXPECT_FALSE(List(ann_)[0].has_next_at_ns());
}

TEST_F(SuitesTest, JobsCarryTheNameAndHaveTheLowestPriority) {
  v1::AddSuiteRequest request = Suite();
  FirstJob(&request)->set_priority(50);
  (*FirstJob(&request)->mutable_labels())["card"] = "A";
  Add(ann_, request);
  const auto stored = storage::SuiteStore(database_.get()).List();
  ASSERT_TRUE(stored.ok());
  const auto asked = storage::SuiteStore(database_.get()).Asked(stored->front());
  ASSERT_TRUE(asked.ok());
  for (const v1::SuiteSweep& sweep : asked->sweeps()) {
    EXPECT_EQ(sweep.jobs(0).priority(), -100);
    EXPECT_EQ(sweep.jobs(0).labels().at("suite"), "night");
  }
  EXPECT_EQ(asked->sweeps(0).jobs(0).labels().at("card"), "A");
}

TEST_F(SuitesTest, AreCheckedAsASubmitIs) {
  v1::AddSuiteRequest request = Suite();
  FirstJob(&request)->mutable_workload()->mutable_transformer_lm()->set_batch_size(70'000);
  EXPECT_THAT(Message(request), HasSubstr("sweep main: "));
  EXPECT_THAT(Message(request), HasSubstr("batch_size is 70000, must be 1 to 65536"));
  request = Suite();
  FirstJob(&request)->set_device("cuda:7");
  EXPECT_TRUE(absl::IsNotFound(Refusal(request)));
  request = Suite();
  request.mutable_sweeps(1)->set_name("17");
  EXPECT_THAT(Message(request), HasSubstr("must not be a number"));
  request = Suite();
  request.mutable_sweeps(1)->clear_jobs();
  EXPECT_THAT(Message(request), HasSubstr("jobs has 0 entries, must have 1 to 10000"));
}

TEST_F(SuitesTest, NamesHaveALengthInCharacters) {
  std::string longest;
  for (int i = 0; i < 100; ++i) longest += "\u4e00";
  EXPECT_EQ(Message(Suite(longest + "a")), "name has 101 characters, must have 1 to 100");
  v1::AddSuiteRequest request = Suite(longest);
  request.mutable_sweeps(0)->set_name(longest + "a");
  EXPECT_EQ(Message(request), "sweeps.name has 101 characters, must have 1 to 100");
  request.mutable_sweeps(0)->set_name(longest);
  Add(ann_, request);
}

TEST_F(SuitesTest, NameTimeAndAmountAreChecked) {
  EXPECT_EQ(Message(Suite("")), "name has 0 characters, must have 1 to 100");
  EXPECT_EQ(Message(Suite(std::string(101, 'a'))), "name has 101 characters, must have 1 to 100");
  EXPECT_THAT(Message(Suite("a\x1b[2J")), HasSubstr("must have no \\x1b"));
  v1::AddSuiteRequest request = Suite();
  request.mutable_time()->set_minute_of_day(1440);
  EXPECT_EQ(Message(request), "minute_of_day is 1440, must be 0 to 1439");
  request.clear_time();
  EXPECT_EQ(Message(request),
            "time is not given, must be a minute of the day or how long devices are idle");
  request.mutable_time()->set_idle_ns(0);
  EXPECT_EQ(Message(request), "idle is 0 s, must be 1 to 604800 s");
  request.mutable_time()->set_idle_ns(1'000'000'000);
  request.mutable_time()->set_at_most_every_ns(-1'000'000'000);
  EXPECT_EQ(Message(request), "at_most_every is -1 s, must be 1 to 31622400 s");
  request = Suite();
  request.mutable_sweeps(1)->set_name("main");
  EXPECT_EQ(Message(request), "sweep main is given twice, must be given once");
  request.clear_sweeps();
  EXPECT_EQ(Message(request), "sweeps has 0 entries, must have 1 to 100");
  request = Suite();
  for (int i = 0; i < 10'000; ++i) request.mutable_sweeps(0)->add_jobs();
  EXPECT_EQ(Message(request), "the suite has 10002 jobs, must have at most 10000");
  request = Suite();
  (*FirstJob(&request)->mutable_labels())["suite"] = "other";
  EXPECT_EQ(Message(request), "the label suite is other, must be left out: it will be night");
}

TEST_F(SuitesTest, TheOwnerAndAdminsAloneRemoveThem) {
  Add(ann_, Suite());
  EXPECT_EQ(Remove(bob_, "night", "ann"),
            absl::PermissionDeniedError(
                "suite 'night' belongs to ann; only its owner or an admin may remove it"));
  EXPECT_TRUE(absl::IsNotFound(Remove(bob_, "night"))) << "his own";
  EXPECT_TRUE(Remove(root_, "night", "ann").ok());
  EXPECT_THAT(List(root_), IsEmpty());
}

TEST_F(SuitesTest, APrivateDaemonTellsNothingOfThoseOfOthers) {
  Add(ann_, Suite());
  storage::Caller stranger = bob_;
  stranger.sees_all = false;
  Add(stranger, Suite("mine"));
  const std::vector<v1::Suite> seen = List(stranger);
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].name(), "mine");
  EXPECT_THAT(List(stranger, "ann"), IsEmpty());
  EXPECT_THAT(List(bob_, "ann"), SizeIs(1));
  const absl::Status there = Remove(stranger, "night", "ann");
  EXPECT_TRUE(absl::IsPermissionDenied(there));
  EXPECT_EQ(there, Remove(stranger, "no such suite", "ann"));
  EXPECT_TRUE(Remove(stranger, "mine", "bob").ok());
}

}  // namespace
}  // namespace torchlap::rpc
