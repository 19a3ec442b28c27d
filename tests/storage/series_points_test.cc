#include "storage/series_points.h"

#include <SQLiteCpp/Database.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SeriesPointsTest : public StoreTest {
 protected:
  // A run of a job of its own whose step has this median.
  std::string Run(
      double median_ns, const std::function<void(NewJob*)>& asked = [](NewJob*) {},
      const std::function<void(FinishedRun*)>& ended = [](FinishedRun*) {}) {
    NewJob job = MakeJob();
    asked(&job);
    const StartedRun started = Start(SubmitOne(job));
    FinishedRun finished = Ended(started);
    finished.run.mutable_step()->set_median_ns(median_ns);
    finished.run.mutable_forward()->set_median_ns(median_ns / 3);
    finished.run.set_validity(v1::VALIDITY_CLEAN);
    ended(&finished);
    Finish(finished, LaunchDone());
    return started.run.run_id();
  }
  SeriesPoints Read(const v1::RunFilter& filter = {}, const JobFilter& selected = {},
                    v1::Phase phase = v1::PHASE_UNSPECIFIED) {
    absl::StatusOr<SeriesPoints> read = ReadSeriesPoints(*database_, filter, selected, phase);
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? *std::move(read) : SeriesPoints();
  }
  std::vector<std::string> Ids(const v1::RunFilter& filter = {}, const JobFilter& selected = {},
                               v1::Phase phase = v1::PHASE_UNSPECIFIED) {
    std::vector<std::string> ids;
    for (const SeriesPoint& point : Read(filter, selected, phase).points) {
      ids.push_back(point.run_id);
    }
    return ids;
  }
};

TEST_F(SeriesPointsTest, APointSaysWhatASeriesNeedsOfItsRun) {
  const std::string first = Run(31e6);
  const std::string second = Run(
      30e6, [](NewJob*) {},
      [](FinishedRun* finished) {
        finished->run.set_validity(v1::VALIDITY_CONTAMINATED);
        finished->run.set_environment_hash("abc");
        finished->environment.emplace();
      });
  const std::string other = Run(50e6, [](NewJob* job) { *job = MakeJob("medium"); });
  const std::vector<SeriesPoint> points = Read().points;
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].run_id, first);
  EXPECT_EQ(points[0].median_ns, 31e6);
  EXPECT_EQ(points[0].validity, v1::VALIDITY_CLEAN);
  EXPECT_EQ(points[0].environment_hash, "");
  EXPECT_LT(points[0].started_at_ns, points[1].started_at_ns);
  EXPECT_EQ(points[1].run_id, second);
  EXPECT_EQ(points[1].validity, v1::VALIDITY_CONTAMINATED);
  EXPECT_EQ(points[1].series, points[0].series);
  EXPECT_NE(points[2].series, points[0].series);
  EXPECT_EQ(points[1].environment_hash, "abc");
}

TEST_F(SeriesPointsTest, OnlyOkRunsOfMeasurementsArePoints) {
  const std::string good = Run(31e6);
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  const std::string warmup =
      Run(32e6, [](NewJob* job) { job->spec.set_purpose(v1::PURPOSE_WARMUP); });
  EXPECT_THAT(Ids(), ElementsAre(good));
  v1::RunFilter warmups;
  warmups.add_purposes(v1::PURPOSE_WARMUP);
  EXPECT_THAT(Ids(warmups), ElementsAre(warmup));
  v1::RunFilter crashed;
  crashed.add_outcomes(v1::OUTCOME_CRASHED);
  EXPECT_THAT(Ids(crashed), IsEmpty());
  crashed.add_outcomes(v1::OUTCOME_OK);
  EXPECT_THAT(Ids(crashed), ElementsAre(good));
}

TEST_F(SeriesPointsTest, EachLaunchOfAJobIsAPoint) {
  const uint64_t job = SubmitOne(MakeJob("small", 2));
  for (uint32_t launch = 0; launch < 2; ++launch) {
    FinishedRun finished = Ended(Start(job, launch));
    finished.run.mutable_step()->set_median_ns(31e6 + launch);
    Finish(finished, LaunchDone());
  }
  EXPECT_THAT(Ids(), ElementsAre("1.1", "1.2"));
}

TEST_F(SeriesPointsTest, ARunThatDidNotTimeThePhaseOrHasNoSeriesIsNoPoint) {
  const std::string timed = Run(30e6);
  const std::string combined = Run(
      30e6, [](NewJob*) {}, [](FinishedRun* finished) { finished->run.clear_forward(); });
  Run(
      30e6, [](NewJob*) {}, [](FinishedRun* finished) { finished->run.clear_series_key(); });
  EXPECT_THAT(Ids(), ElementsAre(timed, combined));
  EXPECT_THAT(Ids({}, {}, v1::PHASE_FORWARD), ElementsAre(timed));
  EXPECT_EQ(Read({}, {}, v1::PHASE_FORWARD).points[0].median_ns, 10e6);
  EXPECT_THAT(Ids({}, {}, v1::PHASE_OPTIMIZER), IsEmpty());
  EXPECT_THAT(Ids({}, {}, v1::PHASE_BUILD), IsEmpty());
}

TEST_F(SeriesPointsTest, FilterAndSelectionNarrow) {
  Run(31e6);
  const std::string second = Run(31e6);
  JobFilter selected;
  selected.job_ids = {2};
  EXPECT_THAT(Ids({}, selected), ElementsAre(second));
  JobFilter bobs;
  bobs.only_owner = bob_.principal;
  EXPECT_THAT(Ids({}, bobs), IsEmpty());
  v1::RunFilter too_large;
  for (int i = 0; i < 101; ++i) too_large.add_users("ann");
  EXPECT_TRUE(absl::IsInvalidArgument(
      ReadSeriesPoints(*database_, too_large, {}, v1::PHASE_UNSPECIFIED).status()));
}

TEST_F(SeriesPointsTest, MoreRunsThanCanBeShownAreRefused) {
  Run(31e6);
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    database.exec(
                        "CREATE TEMP TABLE made AS WITH RECURSIVE n (i) AS (VALUES (2) UNION ALL "
                        "SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n");
                    database.exec(
                        "INSERT INTO run (id, job_id, number, launch, owner_id, device_id, "
                        "asked_workload_id, series, purpose, outcome, validity, started_at_ns, "
                        "step_median_ns, kind_id) SELECT i, job_id, i, 0, owner_id, device_id, "
                        "asked_workload_id, series, purpose, outcome, validity, started_at_ns + i, "
                        "step_median_ns, kind_id FROM made JOIN run ON run.id = 1");
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(Read().points.size(), size_t{kMostPoints});
  ASSERT_TRUE(Run(31e6).size() > 0);
  const absl::Status status = ReadSeriesPoints(*database_, {}, {}, v1::PHASE_UNSPECIFIED).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("more than 20000 runs match, must be at most 20000: narrow them"));
}

}  // namespace
}  // namespace torchlap::storage
