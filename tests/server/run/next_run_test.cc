#include "server/run/next_run.h"

#include <gtest/gtest.h>

namespace torchlap::run {
namespace {

using After = storage::AfterRun::Next;

storage::StartedRun Started(v1::Purpose purpose = v1::PURPOSE_MEASURE) {
  storage::StartedRun started;
  v1::JobSpec& spec = *started.job.mutable_spec();
  spec.set_purpose(purpose);
  v1::TransformerLm& model = *spec.mutable_workload()->mutable_transformer_lm();
  model.set_batch_size(8);
  model.set_context_length(256);
  spec.mutable_plan()->set_measure_steps(10);
  spec.mutable_plan()->set_retry_contaminated(2);
  *started.run.mutable_workload() = spec.workload();
  *started.run.mutable_plan() = spec.plan();
  started.run.set_purpose(purpose);
  return started;
}

v1::Run Ended(const storage::StartedRun& started, v1::Outcome outcome,
              v1::Validity validity = v1::VALIDITY_CLEAN) {
  v1::Run run = started.run;
  run.set_outcome(outcome);
  run.set_validity(validity);
  run.mutable_failure()->set_detail("why");
  return run;
}

TEST(NextRun, EveryOutcomeHasItsConsequence) {
  const storage::StartedRun started = Started();
  const auto next = [&](v1::Outcome outcome) {
    return Next(started, Ended(started, outcome), {}).next;
  };
  EXPECT_EQ(next(v1::OUTCOME_OK), After::kLaunchDone);
  EXPECT_EQ(next(v1::OUTCOME_OUT_OF_MEMORY), After::kTryAgain);
  EXPECT_EQ(next(v1::OUTCOME_INTERRUPTED), After::kTryAgain);
  EXPECT_EQ(next(v1::OUTCOME_CANCELLED), After::kJobCancelled);
  for (const v1::Outcome outcome : {v1::OUTCOME_TIMED_OUT, v1::OUTCOME_CRASHED, v1::OUTCOME_INVALID,
                                    v1::OUTCOME_CUDA_ERROR, v1::OUTCOME_SKIPPED}) {
    EXPECT_EQ(next(outcome), After::kJobFailed) << outcome;
  }
}

TEST(NextRun, AContaminatedRunIsRepeatedAsOftenAsWasAskedFor) {
  const storage::StartedRun started = Started();
  const v1::Run bad = Ended(started, v1::OUTCOME_OK, v1::VALIDITY_CONTAMINATED);
  const storage::AfterRun again = Next(started, bad, {bad});
  EXPECT_EQ(again.next, After::kTryAgain);
  EXPECT_EQ(again.cause, v1::CAUSE_CONTAMINATION);
  EXPECT_EQ(again.batch_size, 8u);
  EXPECT_EQ(Next(started, bad, {bad, bad}).next, After::kLaunchDone);
  // Those of another launch do not count.
  v1::Run other = bad;
  other.set_launch(1);
  EXPECT_EQ(Next(started, bad, {other, bad}).next, After::kTryAgain);
  EXPECT_EQ(Next(started, Ended(started, v1::OUTCOME_OK, v1::VALIDITY_SUSPECT), {}).next,
            After::kLaunchDone);
}

TEST(NextRun, AFitGoesOnUntilItsSizeIsVerified) {
  const storage::StartedRun started = Started(v1::PURPOSE_FIT);
  v1::Run fits = Ended(started, v1::OUTCOME_OK);
  fits.set_actual_measure_steps(1);
  const storage::AfterRun larger = Next(started, fits, {});
  EXPECT_EQ(larger.next, After::kTryAgain);
  EXPECT_EQ(larger.cause, v1::CAUSE_FIT);
  EXPECT_EQ(larger.batch_size, 16u);
  v1::Run too_big = Ended(started, v1::OUTCOME_OUT_OF_MEMORY);
  too_big.mutable_workload()->mutable_transformer_lm()->set_batch_size(9);
  EXPECT_EQ(Next(started, too_big, {fits}).batch_size, 8u);
  v1::Run verified = fits;
  verified.set_actual_measure_steps(10);
  EXPECT_EQ(Next(started, verified, {fits, too_big}).next, After::kLaunchDone);
}

}  // namespace
}  // namespace torchlap::run
