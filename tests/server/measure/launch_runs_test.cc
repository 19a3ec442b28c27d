#include "server/measure/launch_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchlap::measure {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Try {
  uint32_t launch;
  double median_ms;
  v1::Outcome outcome = v1::OUTCOME_OK;
  v1::Validity validity = v1::VALIDITY_CLEAN;
  uint32_t batch = 4;
  v1::Purpose purpose = v1::PURPOSE_MEASURE;
};

constexpr auto kContaminated = v1::VALIDITY_CONTAMINATED;

// Numbered in the order given.
std::vector<v1::Run> Runs(const std::vector<Try>& tries) {
  std::vector<v1::Run> runs;
  for (const Try& made : tries) {
    v1::Run& run = runs.emplace_back();
    run.set_number(static_cast<uint32_t>(runs.size()));
    run.set_job_id(7);
    run.set_run_id("7." + std::to_string(run.number()));
    run.set_launch(made.launch);
    run.set_outcome(made.outcome);
    run.set_purpose(made.purpose);
    run.mutable_workload()->mutable_transformer_lm()->set_batch_size(made.batch);
    if (made.outcome != v1::OUTCOME_OK) continue;
    run.set_validity(made.validity);
    run.mutable_step()->set_mean_ns(made.median_ms * 1e6);
    run.mutable_step()->set_median_ns(made.median_ms * 1e6);
  }
  return runs;
}

std::vector<std::string> Ids(const std::vector<v1::Run>& runs) {
  std::vector<std::string> ids;
  for (const v1::Run& run : runs) ids.push_back(run.run_id());
  return ids;
}

struct Case {
  std::string name;
  std::vector<Try> tries;
  std::vector<std::string> launches;
  // Of the cell.
  double mean_ms;
  uint32_t pooled;
  v1::Validity validity = v1::VALIDITY_CLEAN;
};

void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }

class LaunchRunsTest : public testing::TestWithParam<Case> {};

TEST_P(LaunchRunsTest, ALaunchIsItsLastOkRun) {
  const std::vector<v1::Run> runs = Runs(GetParam().tries);
  EXPECT_EQ(Ids(LaunchRuns(runs)), GetParam().launches);
  EXPECT_EQ(Ids(LaunchRuns({runs.rbegin(), runs.rend()})), GetParam().launches)
      << "whatever the order";
  const v1::Run cell = CellOf(runs);
  EXPECT_DOUBLE_EQ(cell.step().mean_ns(), GetParam().mean_ms * 1e6);
  EXPECT_EQ(cell.pooled_launches(), GetParam().pooled);
  EXPECT_EQ(cell.validity(), GetParam().validity);
}

INSTANTIATE_TEST_SUITE_P(
    All, LaunchRunsTest,
    testing::Values(
        Case{"OneRun", {{0, 440}}, {"7.1"}, 440, 0},
        Case{"ContaminatedTries",
             {{0, 740, v1::OUTCOME_OK, kContaminated},
              {0, 406, v1::OUTCOME_OK, kContaminated},
              {0, 444, v1::OUTCOME_OK, kContaminated},
              {0, 440}},
             {"7.4"},
             440,
             0},
        Case{"TriesThatStayedContaminated",
             {{0, 740, v1::OUTCOME_OK, kContaminated}, {0, 500, v1::OUTCOME_OK, kContaminated}},
             {"7.2"},
             500,
             0,
             kContaminated},
        Case{"SeveralLaunchesSomeTriedAgain",
             {{0, 900, v1::OUTCOME_OK, kContaminated},
              {0, 440},
              {1, 450},
              {2, 800, v1::OUTCOME_OK, kContaminated},
              {2, 460}},
             {"7.2", "7.3", "7.5"},
             450,
             3},
        Case{"ALaterLaunchThatWasDoneFirst",
             {{1, 450}, {0, 900, v1::OUTCOME_OK, kContaminated}, {0, 440}},
             {"7.3", "7.1"},
             445,
             2},
        Case{"AnOkRunFollowedByAFailedTry",
             {{0, 740, v1::OUTCOME_OK, kContaminated}, {0, 0, v1::OUTCOME_CRASHED}},
             {"7.1"},
             740,
             0,
             kContaminated},
        Case{"AnInterruptedTry",
             {{0, 0, v1::OUTCOME_INTERRUPTED}, {0, 440}, {1, 460}},
             {"7.2", "7.3"},
             450,
             2},
        Case{"NoOkRun",
             {{0, 0, v1::OUTCOME_OUT_OF_MEMORY}, {0, 0, v1::OUTCOME_CRASHED}},
             {},
             0,
             0,
             v1::VALIDITY_UNSPECIFIED},
        Case{"ATracedRunIsNotMeasured",
             {{0, 440}, {1, 9000, v1::OUTCOME_OK, v1::VALIDITY_UNSPECIFIED, 4, v1::PURPOSE_TRACE}},
             {"7.1"},
             440,
             0},
        Case{"SizesOfAFitAreTriesOfOneLaunch",
             {{0, 100, v1::OUTCOME_OK, v1::VALIDITY_CLEAN, 1, v1::PURPOSE_FIT},
              {0, 200, v1::OUTCOME_OK, v1::VALIDITY_CLEAN, 2, v1::PURPOSE_FIT},
              {0, 0, v1::OUTCOME_OUT_OF_MEMORY, v1::VALIDITY_UNSPECIFIED, 4, v1::PURPOSE_FIT},
              {0, 210, v1::OUTCOME_OK, v1::VALIDITY_CLEAN, 2, v1::PURPOSE_FIT}},
             {"7.4"},
             210,
             0},
        Case{"LaunchesOfDifferentSizesAreNotPooled",
             {{0, 440},
              {1, 0, v1::OUTCOME_OUT_OF_MEMORY},
              {1, 220, v1::OUTCOME_OK, v1::VALIDITY_CLEAN, 2},
              {2, 240, v1::OUTCOME_OK, v1::VALIDITY_CLEAN, 2}},
             {"7.1", "7.3", "7.4"},
             230,
             2},
        Case{"AtATieTheSizeThatWasReachedFirst",
             {{0, 440}, {1, 220, v1::OUTCOME_OK, v1::VALIDITY_CLEAN, 2}},
             {"7.1", "7.2"},
             440,
             0}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(LaunchRuns, TheRowOfAJobWithoutAnOkRunIsItsLastRun) {
  const v1::Run cell =
      CellOf(Runs({{0, 0, v1::OUTCOME_OUT_OF_MEMORY}, {0, 0, v1::OUTCOME_CRASHED}}));
  EXPECT_EQ(cell.run_id(), "7.2");
}

TEST(LaunchRuns, TriesOfALaunchAreCountedOnce) {
  std::vector<v1::Run> runs = Runs({{0, 9, v1::OUTCOME_OK, kContaminated},
                                    {0, 9, v1::OUTCOME_OK, kContaminated},
                                    {0, 5},
                                    {1, 5}});
  runs[1].set_contaminated_tries(1);
  runs[2].set_contaminated_tries(2);
  EXPECT_EQ(CellOf(runs).contaminated_tries(), 2U);
}

constexpr auto kOutOfMemory = v1::OUTCOME_OUT_OF_MEMORY;

// The failures on the way to a result that is left out are not what the cell came to.
TEST(LaunchRuns, AContaminatedResultThatIsLeftOutIsNoFailure) {
  EXPECT_FALSE(QuietCellOf(Runs({{1, 0, kOutOfMemory}, {1, 10, v1::OUTCOME_OK, kContaminated}})));
  EXPECT_FALSE(QuietCellOf(Runs({{1, 10, v1::OUTCOME_OK, kContaminated}})));
  const auto failed = QuietCellOf(Runs({{1, 0, kOutOfMemory}, {1, 0, v1::OUTCOME_CRASHED}}));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->outcome(), v1::OUTCOME_CRASHED);
  const auto quiet = QuietCellOf(Runs({{1, 0, kOutOfMemory},
                                       {1, 10, v1::OUTCOME_OK, kContaminated},
                                       {1, 12},
                                       {2, 90, v1::OUTCOME_OK, kContaminated}}));
  ASSERT_TRUE(quiet);
  EXPECT_EQ(quiet->run_id(), "7.3");
  EXPECT_EQ(quiet->validity(), v1::VALIDITY_CLEAN);
}

TEST(ValidRuns, OfALaunchWhoseResultIsInvalidNoneStays) {
  auto runs = Runs({{0, 0, kOutOfMemory}, {0, 5}, {1, 9, v1::OUTCOME_OK, kContaminated}, {1, 6}});
  EXPECT_THAT(Ids(ValidRuns(runs, {})), ElementsAre("7.1", "7.2", "7.3", "7.4"));
  runs[1].set_invalid_reason("fan");
  EXPECT_THAT(Ids(ValidRuns(runs, {})), ElementsAre("7.3", "7.4"));
  EXPECT_THAT(Ids(ValidRuns(runs, {"7.2"})), ElementsAre("7.1", "7.2", "7.3", "7.4"));
  // A try that was no result goes alone.
  runs[2].set_invalid_reason("fan");
  EXPECT_THAT(Ids(ValidRuns(runs, {})), ElementsAre("7.4"));
  for (v1::Run& run : runs) run.set_purpose(v1::PURPOSE_FIT);
  EXPECT_THAT(Ids(ValidRuns(runs, {})), ElementsAre("7.1", "7.4"));
}

TEST(LaunchRuns, OneRunStandsForAJobThatCannotBePooled) {
  EXPECT_EQ(OneOf(Runs({{0, 9, v1::OUTCOME_OK, kContaminated}, {0, 5}, {1, 6}})).run_id(), "7.3");
  EXPECT_EQ(OneOf(Runs({{0, 9}, {0, 0, v1::OUTCOME_CRASHED}})).run_id(), "7.1");
  EXPECT_EQ(OneOf(Runs({{0, 0, v1::OUTCOME_CRASHED}, {0, 0, v1::OUTCOME_CRASHED}})).run_id(),
            "7.2");
}

}  // namespace
}  // namespace torchlap::measure
