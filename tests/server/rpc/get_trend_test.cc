#include "server/rpc/get_trend.h"

#include <SQLiteCpp/Database.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "server/measure/change_points.h"
#include "server/rpc/baselines.h"
#include "storage/sqlite_connection.h"
#include "tests/proto/base/settable_clock.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class GetTrendTest : public storage::StoreTest {
 protected:
  using Ended = std::function<void(storage::FinishedRun*)>;

  std::string Run(
      double median_ns, const Ended& ended = [](storage::FinishedRun*) {},
      const storage::NewJob& job = storage::MakeJob()) {
    const storage::StartedRun started = Start(SubmitOne(job));
    storage::FinishedRun finished = storage::Ended(started);
    finished.run.mutable_step()->set_median_ns(median_ns);
    finished.run.mutable_forward()->set_median_ns(median_ns / 2);
    finished.run.set_validity(v1::VALIDITY_CLEAN);
    ended(&finished);
    Finish(finished, storage::LaunchDone());
    return started.run.run_id();
  }
  // Ten runs at 100 ms with torch 2.8, then ten with 2.9.
  void RunWithUpgrade(double after_ns) {
    for (int i = 0; i < 20; ++i) {
      Run(i < 10 ? 100e6 : after_ns, [i](storage::FinishedRun* finished) {
        finished->run.set_environment_hash(i < 10 ? "old" : "new");
        finished->environment.emplace().set_torch_version(i < 10 ? "2.8" : "2.9");
      });
    }
  }
  v1::GetTrendResponse Ask(const v1::GetTrendRequest& request) {
    v1::GetTrendResponse response;
    const absl::Status status = Answer(ann_, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  absl::Status Answer(const storage::Caller& caller, const v1::GetTrendRequest& request,
                      v1::GetTrendResponse* response) {
    return GetTrend(database_.get(), jobs_.get(), runs_.get()).Answer(caller, request, response);
  }
  std::string Refusal(const v1::GetTrendRequest& request) {
    v1::GetTrendResponse response;
    const absl::Status status = Answer(ann_, request, &response);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }
  static std::vector<std::string> PointsOf(const v1::TrendSeries& series) {
    std::vector<std::string> ids;
    for (const v1::TrendPoint& point : series.points()) ids.push_back(point.run_id());
    return ids;
  }
};

TEST_F(GetTrendTest, AStepComesWithWhatChangedInTheEnvironment) {
  RunWithUpgrade(106e6);
  const v1::GetTrendResponse trend = Ask({});
  EXPECT_EQ(trend.method_version(), measure::kChangePointsVersion);
  ASSERT_EQ(trend.series_size(), 1);
  const v1::TrendSeries& series = trend.series(0);
  EXPECT_EQ(series.subject().run_id(), "20.1");
  ASSERT_EQ(series.points_size(), 20);
  EXPECT_EQ(series.points(0).run_id(), "1.1");
  EXPECT_EQ(series.points(0).median_ns(), 100e6);
  EXPECT_EQ(series.points(0).validity(), v1::VALIDITY_CLEAN);
  EXPECT_LT(series.points(0).started_at_ns(), series.points(1).started_at_ns());
  EXPECT_EQ(series.min_effect(), 0.01);
  ASSERT_EQ(series.steps_size(), 1);
  EXPECT_EQ(series.steps(0).point(), 10U);
  EXPECT_EQ(series.steps(0).before_ns(), 100e6);
  EXPECT_EQ(series.steps(0).after_ns(), 106e6);
  ASSERT_EQ(series.steps(0).changes_size(), 1);
  EXPECT_EQ(series.steps(0).changes(0).name(), "torch");
  EXPECT_EQ(series.steps(0).changes(0).before(), "2.8");
  EXPECT_EQ(series.steps(0).changes(0).after(), "2.9");
}

TEST_F(GetTrendTest, AStepBelowTheEffectIsNotTold) {
  RunWithUpgrade(106e6);
  v1::GetTrendRequest request;
  request.set_min_effect(0.1);
  const v1::GetTrendResponse trend = Ask(request);
  EXPECT_EQ(trend.series(0).min_effect(), 0.1);
  EXPECT_THAT(trend.series(0).steps(), IsEmpty());
}

// The step itself is not what launches scatter by.
TEST_F(GetTrendTest, AnEffectIsLearnedFromTheScatterWithinTheLevels) {
  for (int i = 0; i < 20; ++i) Run((i < 10 ? 100e6 : 120e6) * (i % 2 == 0 ? 0.99 : 1.01));
  v1::GetTrendRequest request;
  request.set_learn_min_effect(true);
  request.set_min_effect(0.5);
  const v1::GetTrendResponse trend = Ask(request);
  EXPECT_NEAR(trend.series(0).min_effect(), 0.02, 0.002);
  EXPECT_EQ(trend.series(0).min_effect_launches(), 20U);
  EXPECT_EQ(trend.series(0).steps_size(), 1);
}

TEST_F(GetTrendTest, OfFewLaunchesNoEffectIsLearned) {
  Run(100e6);
  v1::GetTrendRequest request;
  request.set_learn_min_effect(true);
  request.set_min_effect(0.5);
  const v1::GetTrendResponse trend = Ask(request);
  EXPECT_EQ(trend.series(0).min_effect(), 0.5);
  EXPECT_EQ(trend.series(0).min_effect_launches(), 0U);
}

TEST_F(GetTrendTest, ContaminatedRunsAreLeftOutAndCounted) {
  const auto contaminated = [](storage::FinishedRun* finished) {
    finished->run.set_validity(v1::VALIDITY_CONTAMINATED);
  };
  const std::string good = Run(100e6);
  const std::string bad = Run(180e6, contaminated);
  Run(180e6, contaminated, storage::MakeJob("medium"));
  v1::GetTrendResponse trend = Ask({});
  ASSERT_EQ(trend.series_size(), 2);
  EXPECT_THAT(trend.series(0).points(), IsEmpty()) << "all of medium";
  EXPECT_EQ(trend.series(0).contaminated_runs(), 1U);
  EXPECT_EQ(trend.series(0).subject().run_id(), "3.1");
  EXPECT_THAT(PointsOf(trend.series(1)), ElementsAre(good));
  EXPECT_EQ(trend.series(1).contaminated_runs(), 1U);
  v1::GetTrendRequest request;
  request.set_include_contaminated(true);
  trend = Ask(request);
  EXPECT_THAT(PointsOf(trend.series(1)), ElementsAre(good, bad));
  EXPECT_EQ(trend.series(1).contaminated_runs(), 0U);
  request.mutable_filter()->set_exclude_contaminated(true);
  EXPECT_THAT(PointsOf(Ask(request).series(1)), ElementsAre(good)) << "who excludes them means it";
}

TEST_F(GetTrendTest, SeriesComeInTheOrderOfTheirNewestRuns) {
  Run(100e6);
  Run(
      200e6, [](storage::FinishedRun*) {}, storage::MakeJob("medium"));
  Run(100e6);
  const v1::GetTrendResponse trend = Ask({});
  ASSERT_EQ(trend.series_size(), 2);
  EXPECT_THAT(PointsOf(trend.series(0)), ElementsAre("1.1", "3.1"));
  EXPECT_THAT(PointsOf(trend.series(1)), ElementsAre("2.1"));
}

TEST_F(GetTrendTest, APhaseHasItsOwnTimes) {
  Run(100e6);
  Run(100e6, [](storage::FinishedRun* finished) { finished->run.clear_forward(); });
  v1::GetTrendRequest request;
  request.set_phase(v1::PHASE_FORWARD);
  v1::GetTrendResponse trend = Ask(request);
  ASSERT_EQ(trend.series_size(), 1);
  EXPECT_THAT(PointsOf(trend.series(0)), ElementsAre("1.1"));
  EXPECT_EQ(trend.series(0).points(0).median_ns(), 50e6);
  request.set_phase(v1::PHASE_OPTIMIZER);
  EXPECT_THAT(Ask(request).series(), IsEmpty());
}

TEST_F(GetTrendTest, ASeriesIsShownWithTheCallersBaseline) {
  Run(100e6);
  Run(104e6);
  Run(130e6);
  const SettableClock clock;
  v1::SetBaselineRequest set;
  set.mutable_filter()->mutable_selector()->add_run_ids("1.1");
  set.mutable_filter()->mutable_selector()->add_run_ids("2.1");
  set.set_reason("before the upgrade");
  v1::SetBaselineResponse done;
  ASSERT_TRUE(SetBaseline(database_.get(), jobs_.get(), &clock).Answer(ann_, set, &done).ok());
  v1::GetTrendRequest request;
  // Also where the baseline is not among the runs.
  request.mutable_filter()->mutable_selector()->add_run_ids("3.1");
  const v1::GetTrendResponse trend = Ask(request);
  ASSERT_EQ(trend.series_size(), 1);
  EXPECT_THAT(PointsOf(trend.series(0)), ElementsAre("3.1"));
  EXPECT_EQ(trend.series(0).baseline_ns(), 102e6);
  EXPECT_THAT(trend.series(0).baseline_run_ids(), ElementsAre("1.1", "2.1"));
  v1::GetTrendResponse bobs;
  ASSERT_TRUE(Answer(bob_, request, &bobs).ok());
  EXPECT_FALSE(bobs.series(0).has_baseline_ns());
  request.mutable_filter()->mutable_selector()->clear_run_ids();
  request.mutable_filter()->mutable_selector()->set_baseline(true);
  EXPECT_THAT(PointsOf(Ask(request).series(0)), ElementsAre("1.1", "2.1"));
}

TEST_F(GetTrendTest, ADamagedRunIsLeftOutAndCounted) {
  Run(100e6);
  Run(101e6);
  Break("UPDATE job SET spec = x'ff' WHERE id = 2");
  const v1::GetTrendResponse trend = Ask({});
  ASSERT_EQ(trend.series_size(), 1);
  EXPECT_EQ(trend.series(0).subject().run_id(), "1.1");
  EXPECT_THAT(PointsOf(trend.series(0)), ElementsAre("1.1"));
  EXPECT_EQ(trend.unreadable_runs(), 1U);
}

TEST_F(GetTrendTest, WhatIsAskedForIsChecked) {
  v1::GetTrendRequest request;
  request.set_phase(v1::PHASE_BUILD);
  EXPECT_EQ(Refusal(request),
            "phase is build, must be forward, loss, backward or optimizer, or unset for the step");
  request.clear_phase();
  for (const double effect : {-0.01, 1.01, std::nan("")}) {
    request.set_min_effect(effect);
    EXPECT_THAT(Refusal(request), HasSubstr("must be 0 to 1")) << effect;
  }
  request.clear_min_effect();
  request.mutable_filter()->add_users("a\x1b[2J");
  EXPECT_THAT(Refusal(request), HasSubstr("visible characters only"));
}

TEST_F(GetTrendTest, MoreSeriesThanCanBeShownAreRefused) {
  Run(100e6);
  const auto add_series = [this](int first, int last) {
    ASSERT_TRUE(database_
                    ->Write([=](SQLite::Database& database) {
                      storage::Execute(database,
                                       "WITH RECURSIVE n (i) AS (VALUES (?1) UNION ALL "
                                       "SELECT i + 1 FROM n WHERE i < ?2) INSERT INTO series "
                                       "SELECT 1000 + i, 'made-' || i FROM n",
                                       first, last);
                      storage::Execute(
                          database,
                          "INSERT INTO run (id, job_id, number, launch, owner_id, device_id, "
                          "asked_workload_id, series, purpose, outcome, started_at_ns, "
                          "step_median_ns, kind_id) SELECT series.id, job_id, series.id, 0, "
                          "owner_id, device_id, asked_workload_id, series.id, purpose, "
                          "outcome, started_at_ns + series.id, step_median_ns, kind_id "
                          "FROM series JOIN run ON run.id = 1 "
                          "WHERE series.id BETWEEN 1000 + ?1 AND 1000 + ?2",
                          first, last);
                      return absl::OkStatus();
                    })
                    .ok());
  };
  add_series(1, 199);
  EXPECT_EQ(Ask({}).series_size(), 200);
  add_series(200, 202);
  v1::GetTrendResponse response;
  const absl::Status status = Answer(ann_, {}, &response);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("203 series match, must be at most 200: narrow them by"));
}

TEST_F(GetTrendTest, CanariesAreATrendOfTheirOwn) {
  storage::NewJob canary = storage::MakeJob();
  canary.spec.set_purpose(v1::PURPOSE_CANARY);
  Run(100e6);
  for (int i = 0; i < 20; ++i) {
    Run(
        i < 10 ? 50e6 : 60e6, [](storage::FinishedRun*) {}, canary);
  }
  Run(
      90e6,
      [](storage::FinishedRun* finished) { finished->run.set_validity(v1::VALIDITY_CONTAMINATED); },
      canary);
  v1::GetTrendRequest request;
  EXPECT_THAT(PointsOf(Ask(request).series(0)), ElementsAre("1.1")) << "of measured runs alone";
  request.mutable_filter()->add_purposes(v1::PURPOSE_CANARY);
  const v1::GetTrendResponse trend = Ask(request);
  ASSERT_EQ(trend.series_size(), 1);
  EXPECT_EQ(trend.series(0).points_size(), 20);
  EXPECT_EQ(trend.series(0).contaminated_runs(), 1U);
  ASSERT_EQ(trend.series(0).steps_size(), 1);
  EXPECT_EQ(trend.series(0).steps(0).point(), 10U);
}

}  // namespace
}  // namespace torchlap::rpc
