// `torchlap warmup`: its words, and the whole command.
#include "client/format/warmup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/program.h"
#include "tests/client/fake_service.h"
#include "tests/client/golden.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using format::Format;
using format::WarmupSentences;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using Finding = v1::WarmupFinding;

// A run whose mean falls and steadies as the warm-up grows.
v1::Run RunAfter(uint32_t warmup, double inflation) {
  v1::Run run = ScaledRun("small", 128'625'408, 30 + warmup, inflation);
  run.set_purpose(v1::PURPOSE_WARMUP);
  run.mutable_plan()->set_warmup_steps(warmup);
  run.set_actual_warmup_steps(warmup);
  run.set_cold_steady_ratio(5.2);
  run.set_settles_at_step(3);
  run.set_validity(v1::VALIDITY_CLEAN);
  return run;
}

Finding Make(Finding::Code code, double value, double threshold, uint32_t steps = 0,
             uint32_t count = 0, uint32_t of = 0) {
  Finding finding;
  finding.set_code(code);
  finding.set_value(value);
  finding.set_threshold(threshold);
  finding.set_steps(steps);
  finding.set_count(count);
  finding.set_of(of);
  return finding;
}

v1::CompareWarmupsResponse Comparison(const std::vector<Finding>& findings) {
  v1::CompareWarmupsResponse comparison;
  *comparison.add_runs() = RunAfter(0, 1.34);
  *comparison.add_runs() = RunAfter(1, 1.1);
  *comparison.add_runs() = RunAfter(10, 1);
  for (const Finding& finding : findings) *comparison.add_findings() = finding;
  return comparison;
}

v1::CompareWarmupsResponse ColdComparison() {
  return Comparison(
      {Make(Finding::CODE_MEAN_INFLATED, 0.34, 0.013), Make(Finding::CODE_STD_INFLATED, 12.3, 2),
       Make(Finding::CODE_FIRST_STEP_SLOW, 5.2, 1.05, 0, 3),
       Make(Finding::CODE_SETTLES, 0, 0, 3, 3, 3), Make(Finding::CODE_ENOUGH_WARMUP, 0, 0.013, 1)});
}

std::string Written(const Format& format, const v1::CompareWarmupsResponse& comparison) {
  return Printed(format, format::ShowWarmups(comparison));
}

TEST(WarmupSentences, HaveAClauseAndItsNumbersForEachFinding) {
  EXPECT_THAT(
      WarmupSentences(ColdComparison()),
      ElementsAre("Without warm-up the mean step is 34 % above that after 10 warm-up steps.",
                  "Without warm-up the standard deviation is 12 times that after 10 warm-up steps.",
                  "The first step of a process takes 5.20 times the steady ones (3 runs).",
                  "The slowest of 3 runs settles at step 3.",
                  "From 1 warm-up step on the mean step lies within 1.3 % of that after 10 "
                  "warm-up steps."));
}

Finding Known(Finding finding, double low, double high, uint32_t of, uint32_t contaminated) {
  finding.set_low(low);
  finding.set_high(high);
  finding.set_of(of);
  finding.set_contaminated(contaminated);
  return finding;
}

std::string SentenceOf(const Finding& finding) { return format::WarmupSentence(finding, 10); }

TEST(WarmupSentences, SayHowWellAndBesideWhatADifferenceIsKnown) {
  const Finding mean = Make(Finding::CODE_MEAN_INFLATED, 0.056, 0.01);
  EXPECT_EQ(SentenceOf(Known(mean, -0.01, 0.12, 2, 2)),
            "Without warm-up the mean step is 5.6 % above that after 10 warm-up steps (95 %: -1 to "
            "+12 %): not distinguishable; all rows contaminated.");
  EXPECT_EQ(SentenceOf(Known(mean, 0.02, 0.092, 2, 1)),
            "Without warm-up the mean step is 5.6 % above that after 10 warm-up steps (95 %: +2 to "
            "+9.2 %); 1 of 2 rows contaminated.");
  EXPECT_EQ(SentenceOf(Known(Make(Finding::CODE_STD_INFLATED, 12.3, 2), 6.1, 24.8, 2, 0)),
            "Without warm-up the standard deviation is 12 times that after 10 warm-up steps (95 %: "
            "6.1 to 25).");
  EXPECT_EQ(SentenceOf(Known(Make(Finding::CODE_FIRST_STEP_SLOW, 5.2, 1.05, 0, 3), 4.1, 6.6, 3, 3)),
            "The first step of a process takes 5.20 times the steady ones (3 runs, 95 %: 4.1 to "
            "6.6); all rows contaminated.");
}

TEST(WarmupSentences, CallNoDifferenceSmallThatIsOnlyUnknown) {
  const Finding none = Make(Finding::CODE_NO_DIFFERENCE, 0.087, 0.01);
  EXPECT_EQ(SentenceOf(Known(none, -0.64, 0.82, 5, 0)),
            "No mean step is distinguishable from that after 10 warm-up steps; the largest "
            "difference is 8.7 % (95 %: -64 to +82 %).");
  const Finding enough = Make(Finding::CODE_ENOUGH_WARMUP, 0.008, 0.01, 2);
  EXPECT_EQ(SentenceOf(Known(enough, -0.002, 0.018, 5, 2)),
            "From 2 warm-up steps on the mean step is not distinguishable from that after 10 "
            "warm-up steps; the largest difference is 0.80 % (95 %: -0.20 to +1.8 %); 2 of 5 rows "
            "contaminated.");
}

TEST(WarmupSentences, SayThatNothingChanged) {
  EXPECT_THAT(WarmupSentences(Comparison({Make(Finding::CODE_SETTLES, 0, 0, 4, 2, 3),
                                          Make(Finding::CODE_NO_DIFFERENCE, 0.008, 0.013)})),
              ElementsAre("2 of 3 runs settle, the slowest at step 4.",
                          "No mean step differs from that after 10 warm-up steps by more than 1.3 "
                          "%; the largest difference is 0.80 %."));
}

TEST(WarmupSentences, CountTheRunsThatSettle) {
  const auto settling = [](uint32_t step, uint32_t count, uint32_t of) {
    return SentenceOf(Make(Finding::CODE_SETTLES, 0, 0, step, count, of));
  };
  EXPECT_EQ(settling(1, 1, 1), "The run settles at step 1.");
  EXPECT_EQ(settling(1, 1, 4), "1 of 4 runs settles, at step 1.");
  EXPECT_EQ(settling(6, 3, 4), "3 of 4 runs settle, the slowest at step 6.");
  EXPECT_EQ(settling(2, 4, 4), "The slowest of 4 runs settles at step 2.");
}

TEST(WarmupSentences, SayOfHowManyRunsTheFirstStepIsSlow) {
  const auto first = [](uint32_t count, uint32_t of, uint32_t contaminated) {
    Finding finding = Make(Finding::CODE_FIRST_STEP_SLOW, 1.53, 1.05, 0, count, of);
    finding.set_contaminated(contaminated);
    return SentenceOf(finding);
  };
  const std::string sentence = "The first step of a process takes 1.53 times the steady ones";
  EXPECT_EQ(first(1, 4, 0), sentence + " (1 of 4 runs).");
  EXPECT_EQ(first(1, 4, 1), sentence + " (1 of 4 runs); all rows contaminated.");
  EXPECT_EQ(first(3, 4, 2), sentence + " (3 of 4 runs); 2 of 3 rows contaminated.");
  EXPECT_EQ(first(4, 4, 0), sentence + " (4 runs).");
  EXPECT_EQ(first(1, 1, 0), sentence + ".");
}

TEST(WarmupHints, AreToTryAgainWhereAllRowsAreContaminated) {
  v1::CompareWarmupsResponse comparison = ColdComparison();
  comparison.mutable_runs(0)->set_validity(v1::VALIDITY_CONTAMINATED);
  comparison.mutable_runs(1)->set_validity(v1::VALIDITY_CONTAMINATED);
  EXPECT_THAT(format::WarmupHints(comparison), IsEmpty());
  // What failed has no verdict.
  comparison.mutable_runs(2)->set_outcome(v1::OUTCOME_CRASHED);
  EXPECT_THAT(format::WarmupHints(comparison),
              ElementsAre("small: all rows contaminated, try them again: torchlap warmup "
                          "--model-sizes small --retry-contaminated 3 --device cpu0 --steps "
                          "0,1,10"));
  EXPECT_THAT(Written(format::kTable, comparison), EndsWith("--steps 0,1,10\n"));
  comparison.mutable_runs(0)->mutable_plan()->set_retry_contaminated(3);
  EXPECT_THAT(format::WarmupHints(comparison),
              ElementsAre("small: all rows contaminated in all of their tries: wait for a quiet "
                          "device: torchlap doctor"));
  for (v1::Run& run : *comparison.mutable_runs()) run.set_outcome(v1::OUTCOME_CRASHED);
  EXPECT_THAT(format::WarmupHints(comparison), IsEmpty());
}

TEST(WarmupSentences, SayThatOnlyTheLongestIsEnough) {
  EXPECT_THAT(WarmupSentences(Comparison({Make(Finding::CODE_SETTLES, 0, 0, 3, 3, 3),
                                          Make(Finding::CODE_ENOUGH_WARMUP, 0, 0.013, 10)})),
              ElementsAre("The slowest of 3 runs settles at step 3.",
                          "No shorter warm-up brings the mean step within 1.3 % of that after 10 "
                          "warm-up steps."));
}

TEST(WarmupSentences, SayThatTimesDoNotSettle) {
  EXPECT_THAT(WarmupSentences(Comparison({Make(Finding::CODE_NEVER_SETTLES, 0, 0, 0, 0, 3)})),
              ElementsAre("The time of a step does not settle in any of 3 runs."));
}

TEST(WarmupSentences, TellAboutSettlingWhereTheDaemonComparesNothing) {
  EXPECT_THAT(WarmupSentences(Comparison({})),
              ElementsAre("The slowest of 3 runs settles at step 3."));
  v1::CompareWarmupsResponse comparison = Comparison({});
  for (v1::Run& run : *comparison.mutable_runs()) run.clear_settles_at_step();
  EXPECT_THAT(WarmupSentences(comparison),
              ElementsAre("The time of a step does not settle in any of 3 runs."));
  for (v1::Run& run : *comparison.mutable_runs()) run.set_outcome(v1::OUTCOME_CRASHED);
  EXPECT_THAT(WarmupSentences(comparison), IsEmpty());
}

TEST(WarmupTable, HasARowForEachNumberOfSteps) {
  ExpectGolden("warmup.table", Written(format::kTable, ColdComparison()));
  ExpectGolden("warmup.md", Written(format::kMarkdown, ColdComparison()));
}

TEST(WarmupTable, MarksWhatFailedOrWasDisturbed) {
  v1::CompareWarmupsResponse comparison = ColdComparison();
  v1::Run disturbed = DisturbedRun();
  disturbed.mutable_plan()->set_warmup_steps(1);
  *comparison.mutable_runs(1) = disturbed;
  comparison.mutable_runs(0)->set_outcome(v1::OUTCOME_TIMED_OUT);
  const std::string table = Written(format::kTable, comparison);
  EXPECT_THAT(table, HasSubstr("| TIMED_OUT "));
  EXPECT_THAT(table, HasSubstr("| contaminated: foreign-cpu 34 % by stress-ng (pid 812, ann)"));
  EXPECT_THAT(table, HasSubstr("| does not settle "));
}

TEST(WarmupJson, HasRunsAndFindings) {
  ExpectGolden("warmup.json", Written(format::kJson, ColdComparison()));
}

TEST(WarmupCommand, SubmitsInRandomOrderFollowsAndCompares) {
  FakeService service;
  service.on_submit = [](const v1::SubmitJobsRequest& request, v1::SubmitJobsResponse* response) {
    EXPECT_TRUE(request.shuffle());
    EXPECT_EQ(request.jobs_size(), 5);
    response->set_sweep_id(3);
    response->add_job_ids(17);
    return grpc::Status::OK;
  };
  service.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                        FakeService::WatchWriter* writer) {
    v1::WatchJobsResponse snapshot;
    *snapshot.mutable_snapshot()->add_jobs() = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
    writer->Write(snapshot);
    return grpc::Status::OK;
  };
  service.on_compare_warmups = [](const v1::CompareWarmupsRequest& request) {
    EXPECT_EQ(request.sweep_id(), 3u);
    return ColdComparison();
  };
  std::ostringstream out;
  std::ostringstream err;
  Console console;
  console.out = &out;
  console.err = &err;
  EXPECT_EQ(
      RunProgram({"--address", service.address(), "warmup", "--model-size", "small"}, console), 0)
      << err.str();
  EXPECT_THAT(out.str(), StartsWith("cs336-2025, small (128.6M), forward-backward"));
  EXPECT_THAT(out.str(), HasSubstr("settles at step 3"));
  EXPECT_EQ(RunProgram({"--address", service.address(), "warmup", "--model-size", "small",
                        "--format", "writeup"},
                       console),
            1);
}

}  // namespace
}  // namespace torchlap::client
