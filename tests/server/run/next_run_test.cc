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

// As the launch runner leaves it: others hold 8 GiB of 24, and so little is free.
v1::Run MemoryHeld(const storage::StartedRun& started, int64_t started_at_ns = 0) {
  constexpr uint64_t kGib = uint64_t{1} << 30;
  v1::Run run = Ended(started, v1::OUTCOME_OUT_OF_MEMORY);
  v1::Failure& failure = *run.mutable_failure();
  failure.set_phase(v1::PHASE_FORWARD);
  failure.set_detail("out of memory: memory of cuda:0 is held by python3 (pid 4211, ann)");
  failure.set_total_bytes(24 * kGib);
  failure.set_foreign_bytes(8 * kGib);
  failure.set_free_bytes(kGib / 2);
  failure.set_asked_bytes(kGib);
  run.set_started_at_ns(started_at_ns);
  run.set_duration_ns(1'000'000'000);
  return run;
}

TEST(NextRun, MemoryThatOthersHoldIsWaitedForAtTheSameSize) {
  for (const v1::Purpose purpose : {v1::PURPOSE_MEASURE, v1::PURPOSE_FIT}) {
    for (const v1::IfBusy wait : {v1::IF_BUSY_UNSPECIFIED, v1::IF_BUSY_WAIT}) {
      storage::StartedRun started = Started(purpose);
      started.job.mutable_spec()->set_if_busy(wait);
      const storage::AfterRun after = Next(started, MemoryHeld(started), {});
      EXPECT_EQ(after.next, After::kTryAgain);
      EXPECT_EQ(after.cause, v1::CAUSE_MEMORY_HELD);
      EXPECT_EQ(after.batch_size, 8u);
      EXPECT_EQ(after.context_length, 256u);
    }
  }
}

TEST(NextRun, WhoDoesNotWaitForMemoryShrinksOrFails) {
  storage::StartedRun started = Started();
  started.job.mutable_spec()->set_if_busy(v1::IF_BUSY_RUN);
  const storage::AfterRun smaller = Next(started, MemoryHeld(started), {});
  EXPECT_EQ(smaller.cause, v1::CAUSE_OOM_RETRY);
  EXPECT_EQ(smaller.batch_size, 4u);
  started.job.mutable_spec()->set_if_busy(v1::IF_BUSY_FAIL);
  const storage::AfterRun failed = Next(started, MemoryHeld(started), {});
  EXPECT_EQ(failed.next, After::kJobFailed);
  EXPECT_EQ(failed.reason, "out of memory: memory of cuda:0 is held by python3 (pid 4211, ann)");
}

TEST(NextRun, MemoryThatOthersHoldIsNotWaitedForForEver) {
  constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;
  const storage::StartedRun started = Started();
  const v1::Run first = MemoryHeld(started, 1000);
  const auto next = [&](int64_t started_at_ns, const std::vector<v1::Run>& earlier) {
    return Next(started, MemoryHeld(started, started_at_ns), earlier);
  };
  EXPECT_EQ(next(kHourNs - 1'000'000'000, {first}).next, After::kTryAgain);
  EXPECT_EQ(next(kHourNs + 1000, {first}).next, After::kJobFailed);
  EXPECT_EQ(next(kHourNs + 1000, {first}).reason,
            "out of memory: memory of cuda:0 is held by python3 (pid 4211, ann); so it was in 2 "
            "runs, and --if-busy run takes what is free");
  // However fast they follow on each other.
  EXPECT_EQ(next(5000, {first, first, first}).next, After::kTryAgain);
  EXPECT_EQ(next(5000, {first, first, first, first}).next, After::kJobFailed);
  // Those of another launch, of another size, and those by its own fault, do not count.
  v1::Run other = first;
  other.set_launch(1);
  v1::Run own = first;
  own.mutable_failure()->clear_foreign_bytes();
  v1::Run larger = first;
  larger.mutable_workload()->mutable_transformer_lm()->set_batch_size(16);
  EXPECT_EQ(next(2 * kHourNs, {other, own, larger}).next, After::kTryAgain);
}

TEST(NextRun, WhatRanOutWhileTheModelWasBuiltIsNotShrunk) {
  for (const v1::Purpose purpose : {v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT}) {
    const storage::StartedRun started = Started(purpose);
    v1::Run run = Ended(started, v1::OUTCOME_OUT_OF_MEMORY);
    run.mutable_failure()->set_phase(v1::PHASE_BUILD);
    run.mutable_failure()->set_detail("out of memory while the model was built");
    const storage::AfterRun after = Next(started, run, {});
    EXPECT_EQ(after.next, After::kJobFailed);
    EXPECT_EQ(after.reason, "out of memory while the model was built");
    // Waiting may help where others hold the memory.
    v1::Run held = MemoryHeld(started);
    held.mutable_failure()->set_phase(v1::PHASE_BUILD);
    EXPECT_EQ(Next(started, held, {}).cause, v1::CAUSE_MEMORY_HELD);
    storage::StartedRun hasty = started;
    hasty.job.mutable_spec()->set_if_busy(v1::IF_BUSY_RUN);
    EXPECT_EQ(Next(hasty, held, {}).next, After::kJobFailed);
  }
}

}  // namespace
}  // namespace torchlap::run
