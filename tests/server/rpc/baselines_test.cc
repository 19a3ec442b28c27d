#include "server/rpc/baselines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/rpc/job_choice.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/server/rpc/calls_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BaselinesTest : public CallsTest {
 protected:
  std::string Run(const storage::NewJob& job, double median_ns,
                  const storage::Caller* owner = nullptr) {
    const auto submitted =
        jobs_->Submit(owner == nullptr ? ann_ : *owner, "", "", "", {job}, {42}, ++now_ns_);
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    const storage::StartedRun started = Start(submitted->job_ids[0]);
    storage::FinishedRun finished = storage::Ended(started);
    finished.run.mutable_step()->set_median_ns(median_ns);
    Finish(finished, storage::LaunchDone());
    return started.run.run_id();
  }
  static v1::SetBaselineRequest Request(const std::vector<std::string>& run_ids,
                                        const std::string& reason = "before the upgrade") {
    v1::SetBaselineRequest request;
    for (const std::string& id : run_ids) {
      request.mutable_filter()->mutable_selector()->add_run_ids(id);
    }
    request.set_reason(reason);
    return request;
  }
  v1::SetBaselineResponse Set(const storage::Caller& caller,
                              const v1::SetBaselineRequest& request) {
    v1::SetBaselineResponse response;
    const absl::Status status =
        SetBaseline(database_.get(), jobs_.get(), &clock_).Answer(caller, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  absl::Status Refused(const storage::Caller& caller, const v1::SetBaselineRequest& request) {
    v1::SetBaselineResponse response;
    return calls_->set_baseline.Answer(caller, request, &response);
  }
  v1::ListBaselinesResponse List(const storage::Caller& caller, const std::string& user = "") {
    v1::ListBaselinesRequest request;
    request.set_user(user);
    v1::ListBaselinesResponse response;
    const absl::Status status = calls_->list_baselines.Answer(caller, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  static storage::Caller Private(storage::Caller caller) {
    caller.sees_all = false;
    return caller;
  }

  const SettableClock clock_{};
};

TEST_F(BaselinesTest, WhatWasSetIsListed) {
  const std::string first = Run(storage::MakeJob(), 100e6);
  const std::string second = Run(storage::MakeJob(), 104e6);
  const std::string medium = Run(storage::MakeJob("medium"), 300e6);
  const v1::SetBaselineResponse set = Set(ann_, Request({first, second, medium}));
  EXPECT_EQ(set.series(), 2U);
  EXPECT_EQ(set.runs(), 3U);
  EXPECT_EQ(set.replaced_series(), 0U);
  const v1::ListBaselinesResponse listed = List(ann_);
  ASSERT_EQ(listed.series_size(), 2);
  EXPECT_EQ(listed.series(0).subject().run_id(), medium) << "the newest first";
  EXPECT_EQ(listed.series(1).subject().run_id(), second);
  EXPECT_THAT(listed.series(1).run_ids(), ElementsAre(first, second));
  EXPECT_EQ(listed.series(1).step_median_ns(), 102e6);
  EXPECT_EQ(listed.series(1).reason(), "before the upgrade");
  EXPECT_EQ(listed.series(1).set_at_ns(), clock_.WallNs());
  EXPECT_EQ(Set(ann_, Request({second}, "again")).replaced_series(), 1U);
  EXPECT_THAT(List(ann_).series(1).run_ids(), ElementsAre(second));
}

TEST_F(BaselinesTest, AReasonMustBeGiven) {
  const std::string run = Run(storage::MakeJob(), 100e6);
  for (const std::string& reason : {std::string(), std::string("  "), std::string(501, 'x')}) {
    const absl::Status status = Refused(ann_, Request({run}, reason));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("must say in 1 to 500"));
  }
  const absl::Status unseen = Refused(ann_, Request({run}, "a\nb"));
  EXPECT_THAT(std::string(unseen.message()), HasSubstr("visible characters only"));
  EXPECT_EQ(Set(ann_, Request({run}, "ä" + std::string(499, 'x'))).runs(), 1U);
}

TEST_F(BaselinesTest, RunsThatDidNotEndWellCannotBeOne) {
  RunToEnd(storage::MakeJob(), v1::OUTCOME_CRASHED);
  EXPECT_TRUE(absl::IsFailedPrecondition(Refused(ann_, Request({"1.1"}))));
  EXPECT_TRUE(absl::IsNotFound(Refused(ann_, Request({"9.1"}))));
}

TEST_F(BaselinesTest, OthersBaselinesAreListedByName) {
  const std::string run = Run(storage::MakeJob(), 100e6);
  Set(ann_, Request({run}));
  EXPECT_THAT(List(bob_).series(), IsEmpty());
  EXPECT_THAT(List(bob_, "ann").series(0).run_ids(), ElementsAre(run));
  EXPECT_THAT(List(bob_, "uid:1000").series(0).run_ids(), ElementsAre(run));
  EXPECT_THAT(List(ann_, "ann").series(0).run_ids(), ElementsAre(run));
  EXPECT_THAT(List(ann_, "nobody").series(), IsEmpty());
}

TEST_F(BaselinesTest, APrivateDaemonShowsOnlyTheCallersOwnRuns) {
  const std::string anns = Run(storage::MakeJob(), 100e6);
  const std::string bobs = Run(storage::MakeJob("medium"), 100e6, &bob_);
  // Before the daemon was private.
  Set(bob_, Request({anns, bobs}));
  ASSERT_EQ(List(bob_).series_size(), 2);
  const v1::ListBaselinesResponse left = List(Private(bob_));
  ASSERT_EQ(left.series_size(), 1);
  EXPECT_THAT(left.series(0).run_ids(), ElementsAre(bobs));
  v1::ListBaselinesRequest request;
  request.set_user("bob");
  v1::ListBaselinesResponse response;
  const absl::Status refused = calls_->list_baselines.Answer(Private(ann_), request, &response);
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  request.set_user("nobody");
  EXPECT_TRUE(
      absl::IsPermissionDenied(calls_->list_baselines.Answer(Private(ann_), request, &response)))
      << "nor who is there";
  EXPECT_THAT(List(root_, "bob").series_size(), 2);
  // Nor can they be taken from now on.
  EXPECT_TRUE(absl::IsPermissionDenied(Refused(Private(bob_), Request({anns}))));
  v1::SetBaselineRequest everything;
  everything.set_reason("all that I may see");
  EXPECT_EQ(Set(Private(bob_), everything).runs(), 1U);
  // Runs that are chosen by it are one's own, too.
  v1::ListRunsRequest runs;
  runs.mutable_filter()->mutable_selector()->set_baseline(true);
  v1::ListRunsResponse listed;
  ASSERT_TRUE(calls_->list_runs.Answer(Private(bob_), runs, &listed).ok());
  ASSERT_EQ(listed.runs_size(), 1);
  EXPECT_EQ(listed.runs(0).run_id(), bobs);
}

TEST_F(BaselinesTest, ItIsClearedBySeriesOrWholly) {
  const std::string small = Run(storage::MakeJob(), 100e6);
  const std::string medium = Run(storage::MakeJob("medium"), 300e6);
  Set(ann_, Request({small, medium}));
  v1::ClearBaselineRequest request;
  *request.mutable_filter() = Request({small}).filter();
  v1::ClearBaselineResponse response;
  ASSERT_TRUE(calls_->clear_baseline.Answer(ann_, request, &response).ok());
  EXPECT_EQ(response.series(), 1U);
  EXPECT_EQ(calls_->clear_baseline.Answer(ann_, request, &response),
            absl::FailedPreconditionError("you have no baseline of the series of these runs"));
  EXPECT_EQ(List(ann_).series_size(), 1);
  request.clear_filter();
  ASSERT_TRUE(calls_->clear_baseline.Answer(ann_, request, &response).ok());
  EXPECT_EQ(
      calls_->clear_baseline.Answer(ann_, request, &response),
      absl::FailedPreconditionError("you have no baseline, set one with torchlap baseline set"));
}

TEST_F(BaselinesTest, CallsThatAreAboutJobsDoNotTakeIt) {
  Set(ann_, Request({Run(storage::MakeJob(), 100e6)}));
  v1::Selector selector;
  selector.set_baseline(true);
  EXPECT_EQ(ChosenJobs(*jobs_, ann_, selector).status(),
            absl::InvalidArgumentError("`baseline` is runs, must be a job or a sweep"));
  v1::CancelJobsRequest cancel;
  *cancel.mutable_selector() = selector;
  v1::CancelJobsResponse cancelled;
  EXPECT_TRUE(absl::IsInvalidArgument(calls_->cancel_jobs.Answer(ann_, cancel, &cancelled)));
  v1::ListJobsRequest list;
  *list.mutable_selector() = selector;
  v1::ListJobsResponse listed;
  EXPECT_TRUE(absl::IsInvalidArgument(calls_->list_jobs.Answer(ann_, list, &listed)));
}

}  // namespace
}  // namespace torchlap::rpc
