#include "server/rpc/compare_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "proto/words.h"
#include "storage/run_words.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class CompareRunsTest : public storage::StoreTest {
 protected:
  // A sweep of one job for each of the precisions, each of four launches around its median.
  struct Cell {
    v1::Precision precision;
    double median_ns;
  };
  uint64_t Sweep(const std::vector<Cell>& cells) {
    std::vector<storage::NewJob> jobs;
    for (const Cell& cell : cells) jobs.push_back(JobOf(cell.precision, 4));
    const storage::Submitted sweep = Submit(jobs);
    for (size_t i = 0; i < cells.size(); ++i) {
      for (uint32_t launch = 0; launch < 4; ++launch) {
        Measure(sweep.job_ids[i], launch, cells[i].median_ns * (1 + 0.001 * launch));
      }
    }
    return sweep.sweep_id;
  }
  static storage::NewJob JobOf(v1::Precision precision, uint32_t launches) {
    storage::NewJob job = storage::MakeJob("small", launches);
    job.spec.mutable_workload()->mutable_transformer_lm()->set_precision(precision);
    job.workload_hash += "-" + std::string(Word(precision));
    return job;
  }
  void Measure(uint64_t job_id, uint32_t launch, double median_ns,
               v1::Validity validity = v1::VALIDITY_CLEAN,
               const storage::AfterRun& after = storage::LaunchDone()) {
    storage::FinishedRun finished = storage::Ended(Start(job_id, launch));
    const v1::Precision precision = finished.run.workload().transformer_lm().precision();
    finished.run.set_workload_hash(finished.run.workload_hash() + "-" +
                                   std::string(Word(precision)));
    finished.run.set_series_key("series-" + finished.run.workload_hash());
    finished.run.mutable_step()->set_median_ns(median_ns);
    finished.run.set_validity(validity);
    finished.run.set_environment_hash(driver_);
    finished.environment.emplace();
    finished.environment->set_environment_hash(driver_);
    finished.environment->set_driver_version(driver_);
    Finish(finished, after);
  }

  v1::CompareRunsResponse Ask(const v1::CompareRunsRequest& request) {
    v1::CompareRunsResponse response;
    const absl::Status status = Answer(request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  absl::Status Answer(const v1::CompareRunsRequest& request, v1::CompareRunsResponse* response) {
    return CompareRuns(database_.get(), jobs_.get(), runs_.get()).Answer(ann_, request, response);
  }
  static v1::CompareRunsRequest Sweeps(uint64_t a, uint64_t b) {
    v1::CompareRunsRequest request;
    request.mutable_a()->mutable_selector()->add_sweep_ids(a);
    request.mutable_b()->mutable_selector()->add_sweep_ids(b);
    return request;
  }
  static v1::CompareRunsRequest By(const std::string& axis) {
    v1::CompareRunsRequest request;
    request.mutable_a()->mutable_selector()->set_all(true);
    request.set_by(axis);
    return request;
  }
  // `bf16: faster`, or why there is no verdict.
  static std::vector<std::string> Rows(const v1::CompareRunsResponse& response) {
    std::vector<std::string> rows;
    for (const v1::ComparedCell& cell : response.cells()) {
      const auto precision = cell.subject().workload().transformer_lm().precision();
      const std::string outcome(cell.phases().empty() ? Word(cell.incomparable())
                                                      : Word(cell.phases(0).verdict()));
      rows.push_back(std::string(Word(precision)) + ": " + outcome);
    }
    return rows;
  }

  std::string driver_ = "570";
};

TEST_F(CompareRunsTest, TwoSweepsAreComparedCellByCell) {
  const uint64_t before = Sweep({{v1::PRECISION_FP32, 1e8}, {v1::PRECISION_BF16, 5e7}});
  driver_ = "575";
  const uint64_t after =
      Sweep({{v1::PRECISION_BF16, 4e7}, {v1::PRECISION_FP32, 1e8}, {v1::PRECISION_FP16, 4e7}});
  const v1::CompareRunsResponse response = Ask(Sweeps(before, after));
  EXPECT_THAT(Rows(response), ElementsAre("fp32: same", "bf16: faster", "fp16: only in B"));
  const v1::ComparedCell& first = response.cells(0);
  EXPECT_THAT(first.a().run_ids(), ElementsAre("1.1", "1.2", "1.3", "1.4"));
  EXPECT_THAT(first.b().run_ids(), ElementsAre("4.1", "4.2", "4.3", "4.4"));
  ASSERT_THAT(first.also_differs(), SizeIs(1));
  EXPECT_EQ(first.also_differs(0).name(), "driver");
  EXPECT_EQ(first.also_differs(0).before(), "570");
  EXPECT_EQ(first.also_differs(0).after(), "575");
  EXPECT_EQ(response.unreadable_runs(), 0U);
}

TEST_F(CompareRunsTest, ByAnAxisOneFilterIsEnough) {
  Sweep({{v1::PRECISION_FP32, 1e8}, {v1::PRECISION_BF16, 5e7}});
  const v1::CompareRunsResponse response = Ask(By("precision"));
  ASSERT_THAT(response.cells(), SizeIs(1));
  EXPECT_EQ(response.cells(0).a().value(), "fp32");
  EXPECT_EQ(response.cells(0).b().value(), "bf16");
  EXPECT_EQ(response.cells(0).phases(0).verdict(), v1::COMPARE_VERDICT_FASTER);
  v1::CompareRunsRequest turned = By("precision");
  turned.set_reference("bf16");
  EXPECT_EQ(Ask(turned).cells(0).phases(0).verdict(), v1::COMPARE_VERDICT_SLOWER);
}

TEST_F(CompareRunsTest, ByTheDriverTheEnvironmentsAreAsked) {
  Sweep({{v1::PRECISION_FP32, 1e8}});
  driver_ = "575";
  Sweep({{v1::PRECISION_FP32, 9e7}});
  const v1::CompareRunsResponse response = Ask(By("driver"));
  EXPECT_THAT(Rows(response), ElementsAre("fp32: faster"));
  EXPECT_EQ(response.cells(0).b().value(), "575");
  EXPECT_THAT(response.cells(0).also_differs(), IsEmpty());
}

TEST_F(CompareRunsTest, OnlyMeasuredRunsAreLaunchesUnlessOthersAreAskedFor) {
  const uint64_t sweep = Sweep({{v1::PRECISION_FP32, 1e8}});
  storage::NewJob fit = JobOf(v1::PRECISION_FP32, 1);
  fit.spec.set_purpose(v1::PURPOSE_FIT);
  Measure(SubmitOne(fit), 0, 3e8);
  v1::CompareRunsRequest request = Sweeps(sweep, sweep);
  request.mutable_b()->Clear();
  request.mutable_b()->mutable_selector()->set_all(true);
  EXPECT_EQ(Ask(request).cells(0).b().launches(), 4U);
  request.mutable_b()->add_purposes(v1::PURPOSE_FIT);
  EXPECT_THAT(Ask(request).cells(0).b().run_ids(), ElementsAre("2.1"));
}

TEST_F(CompareRunsTest, ContaminatedLaunchesAreCountedAlsoWhereTheFilterLeavesThemOut) {
  const uint64_t a = Sweep({{v1::PRECISION_FP32, 1e8}});
  const storage::Submitted b = Submit({JobOf(v1::PRECISION_FP32, 2)});
  Measure(b.job_ids[0], 0, 1e8);
  Measure(b.job_ids[0], 1, 5e8, v1::VALIDITY_CONTAMINATED);
  v1::CompareRunsRequest request = Sweeps(a, b.sweep_id);
  request.mutable_b()->set_exclude_contaminated(true);
  const v1::ComparedSide quiet = Ask(request).cells(0).b();
  EXPECT_EQ(quiet.launches(), 1U);
  EXPECT_EQ(quiet.contaminated_launches(), 1U);
  request.mutable_b()->clear_exclude_contaminated();
  request.set_include_contaminated(true);
  EXPECT_EQ(Ask(request).cells(0).b().launches(), 2U);
}

// The contaminated try before it was not good enough to stay.
TEST_F(CompareRunsTest, OfALaunchWhoseResultIsInvalidNothingIsCompared) {
  const uint64_t a = Sweep({{v1::PRECISION_FP32, 1e8}});
  const storage::Submitted b = Submit({JobOf(v1::PRECISION_FP32, 2)});
  Measure(b.job_ids[0], 0, 5e8, v1::VALIDITY_CONTAMINATED, storage::TryAgain(4, 256));
  Measure(b.job_ids[0], 0, 1e8);
  Measure(b.job_ids[0], 1, 1e8);
  v1::CompareRunsRequest request = Sweeps(a, b.sweep_id);
  request.set_include_contaminated(true);
  EXPECT_THAT(Ask(request).cells(0).b().run_ids(), ElementsAre("2.2", "2.3"));
  v1::RunFilter result;
  result.mutable_selector()->add_run_ids("2.2");
  ASSERT_TRUE(storage::RunWords(database_.get()).Invalidate(result, {}, "fan", ann_).ok());
  EXPECT_THAT(Ask(request).cells(0).b().run_ids(), ElementsAre("2.3"));
  request.mutable_b()->set_include_invalid(true);
  EXPECT_THAT(Ask(request).cells(0).b().run_ids(), ElementsAre("2.2", "2.3"));
  request.mutable_b()->clear_include_invalid();
  request.mutable_b()->mutable_selector()->Clear();
  request.mutable_b()->mutable_selector()->add_run_ids("2.2");
  EXPECT_THAT(Ask(request).cells(0).b().run_ids(), ElementsAre("2.2")) << "by its own name";
}

TEST_F(CompareRunsTest, LaunchesBeforeATimeAreLeftOut) {
  const uint64_t a = Sweep({{v1::PRECISION_FP32, 1e8}});
  const int64_t since_ns = now_ns_ + 1;
  const uint64_t b = Sweep({{v1::PRECISION_FP32, 1e8}});
  v1::CompareRunsRequest request = Sweeps(a, b);
  request.set_since_ns(since_ns);
  EXPECT_THAT(Rows(Ask(request)), ElementsAre("fp32: only in B"));
  // The later of the two times counts.
  request.mutable_b()->set_since_ns(std::numeric_limits<int64_t>::max());
  EXPECT_THAT(Rows(Ask(request)), IsEmpty());
}

TEST_F(CompareRunsTest, TheLeastEffectIsLearnedFromEarlierLaunches) {
  for (const double median_ns : {0.8e8, 0.9e8, 1e8, 1.1e8, 1.2e8}) {
    Measure(SubmitOne(JobOf(v1::PRECISION_FP32, 1)), 0, median_ns);
  }
  const uint64_t a = Sweep({{v1::PRECISION_FP32, 1e8}});
  const uint64_t b = Sweep({{v1::PRECISION_FP32, 1.05e8}});
  v1::CompareRunsRequest request = Sweeps(a, b);
  EXPECT_THAT(Rows(Ask(request)), ElementsAre("fp32: slower"));
  request.set_learn_min_effect(true);
  const v1::CompareRunsResponse learned = Ask(request);
  EXPECT_THAT(Rows(learned), ElementsAre("fp32: same"));
  EXPECT_EQ(learned.cells(0).phases(0).min_effect_launches(), 9U) << "those of A are past, too";
  EXPECT_GT(learned.cells(0).phases(0).min_effect(), 0.1);
}

TEST_F(CompareRunsTest, TakesTheLeastEffectAndTheRate) {
  const uint64_t a = Sweep({{v1::PRECISION_FP32, 1e8}});
  const uint64_t b = Sweep({{v1::PRECISION_FP32, 1.005e8}});
  v1::CompareRunsRequest request = Sweeps(a, b);
  EXPECT_THAT(Rows(Ask(request)), ElementsAre("fp32: same"));
  request.set_min_effect(0.001);
  EXPECT_THAT(Rows(Ask(request)), ElementsAre("fp32: slower"));
  request.set_false_alarm_rate(0.0001);
  EXPECT_THAT(Rows(Ask(request)), ElementsAre("fp32: inconclusive"));
}

TEST_F(CompareRunsTest, RunsThatCannotBeReadAreCounted) {
  const uint64_t a = Sweep({{v1::PRECISION_FP32, 1e8}});
  const uint64_t b = Sweep({{v1::PRECISION_FP32, 1e8}, {v1::PRECISION_BF16, 1e8}});
  Break("UPDATE job SET spec = x'ff' WHERE id = 3");
  const v1::CompareRunsResponse response = Ask(Sweeps(a, b));
  EXPECT_THAT(Rows(response), ElementsAre("fp32: same"));
  EXPECT_EQ(response.unreadable_runs(), 4U);
}

TEST_F(CompareRunsTest, RefusesWhatItCannotAnswer) {
  const uint64_t sweep = Sweep({{v1::PRECISION_FP32, 1e8}});
  struct Case {
    std::string message;
    std::function<void(v1::CompareRunsRequest*)> change;
  };
  const std::vector<Case> cases = {
      {"a is empty, must select or filter runs",
       [](v1::CompareRunsRequest* request) { request->clear_a(); }},
      {"b is empty, must select or filter runs where by is not set",
       [](v1::CompareRunsRequest* request) { request->clear_b(); }},
      {"by is precision and b is set, must be one of them",
       [](v1::CompareRunsRequest* request) { request->set_by("precision"); }},
      {"reference is bf16 without by, must be a value of what runs are compared by",
       [](v1::CompareRunsRequest* request) { request->set_reference("bf16"); }},
      {"min_effect is -0.1, must be above 0 and at most 1, or 0 for 0.01",
       [](v1::CompareRunsRequest* request) { request->set_min_effect(-0.1); }},
      {"min_effect is nan, must be above 0 and at most 1, or 0 for 0.01",
       [](v1::CompareRunsRequest* request) {
         request->set_min_effect(std::numeric_limits<double>::quiet_NaN());
       }},
      {"false_alarm_rate is 0.6, must be 0.0001 to 0.5, or 0 for 0.05",
       [](v1::CompareRunsRequest* request) { request->set_false_alarm_rate(0.6); }},
      {"all runs have fp32, must have two values of what they are compared by",
       [](v1::CompareRunsRequest* request) {
         request->clear_b();
         request->set_by("precision");
       }},
  };
  for (const Case& refused : cases) {
    SCOPED_TRACE(refused.message);
    v1::CompareRunsRequest request = Sweeps(sweep, sweep);
    refused.change(&request);
    v1::CompareRunsResponse response;
    EXPECT_EQ(Answer(request, &response), absl::InvalidArgumentError(refused.message));
    EXPECT_THAT(response.cells(), IsEmpty());
  }
  v1::CompareRunsResponse response;
  EXPECT_TRUE(absl::IsInvalidArgument(Answer(By("colour"), &response)));
  EXPECT_TRUE(absl::IsInvalidArgument(Answer(By("label:\x1b"), &response)));
  EXPECT_TRUE(absl::IsNotFound(Answer(Sweeps(sweep, 99), &response)));
}

}  // namespace
}  // namespace torchlap::rpc
