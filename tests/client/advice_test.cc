#include "client/format/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <sstream>

#include "client/format/runs.h"
#include "client/format/subject.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client::format {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr uint64_t kGiB = uint64_t{1} << 30;

v1::Advice* Add(v1::AdviceCode code, v1::Run* run) {
  v1::Advice* advice = run->mutable_assessment()->add_advice();
  advice->set_code(code);
  return advice;
}

std::string LineOf(const v1::Run& run) {
  const std::vector<std::string> lines = AdviceLines({run});
  EXPECT_EQ(lines.size(), 1u);
  return lines.empty() ? "" : lines.front();
}

v1::Run DriftingRun() {
  v1::Run run = SmallRun();
  AddEvidence(v1::REASON_DRIFT, 0.06, 0.01, &run);
  Add(v1::ADVICE_DRIFT, &run)->set_number(7);
  return run;
}

TEST(Advice, IsWhatWasFoundAndTheCommandToRunNext) {
  EXPECT_EQ(LineOf(DriftingRun()),
            "small: times drift (+6 % from the first half to the second): torchlap run "
            "--model-sizes small --launches 7 --device cpu0");
}

TEST(Advice, HasCommandsThatCanBePastedWhateverTheDeviceIsCalled) {
  v1::Run run = SmallRun();
  run.set_device("cpu0; reboot\n");
  Add(v1::ADVICE_CALIBRATE, &run);
  EXPECT_THAT(LineOf(run), EndsWith("torchlap calibrate --device 'cpu0; reboot\\n'"));
  run = DriftingRun();
  run.set_device("$(reboot)");
  EXPECT_THAT(LineOf(run), EndsWith(" --device '$(reboot)'"));
}

TEST(Advice, BeginsWithTheCvWhereThatIsWhatIsExplained) {
  v1::Run run = DriftingRun();
  AddEvidence(v1::REASON_NOISE, 0.142, 0.1, &run);
  EXPECT_THAT(LineOf(run), HasSubstr("small: CV 5.5 % of forward, times drift"));
}

TEST(Advice, AgainstAColdStartIsMoreWarmUp) {
  v1::Run run = SmallRun();
  run.set_settles_at_step(8);
  AddEvidence(v1::REASON_COLD_START, 0.42, 0.05, &run);
  Add(v1::ADVICE_MORE_WARMUP, &run)->set_number(8);
  EXPECT_EQ(LineOf(run),
            "small: cold start, step 5 took 42 % longer than the steady ones, times settle at step "
            "8: torchlap run --model-sizes small --warmup-steps 8 --device cpu0");
  run.clear_settles_at_step();
  EXPECT_THAT(LineOf(run), HasSubstr("than the steady ones, times do not settle: torchlap"));
}

TEST(Advice, AgainstNoiseIsMoreSteps) {
  v1::Run run = SmallRun();
  AddEvidence(v1::REASON_NOISE, 0.142, 0.1, &run);
  v1::Advice* advice = Add(v1::ADVICE_MORE_STEPS, &run);
  advice->set_number(310);
  advice->set_ratio(0.02);
  EXPECT_EQ(LineOf(run),
            "small: CV 5.5 % of forward, noise without cold start, drift or two modes, 310 steps "
            "would bring the mean step to ± 2 %: torchlap run --model-sizes small --measure-steps "
            "310 --device "
            "cpu0");
  run.mutable_plan()->set_target_precision(0.02);
  EXPECT_THAT(LineOf(run), HasSubstr("--target-precision 0.02 --max-steps 310"));
}

TEST(Advice, AboutTwoModesIsToLook) {
  v1::Run run = SmallRun();
  AddEvidence(v1::REASON_TWO_MODES, 0.93, 0.85, &run);
  Add(v1::ADVICE_TWO_MODES, &run);
  EXPECT_EQ(LineOf(run),
            "small: times fall into two groups (which explains 93 % of their variance): torchlap "
            "show 17.1");
}

TEST(Advice, NamesTheNeighbourAndTheSteps) {
  v1::Run run = DisturbedRun();
  v1::Advice* advice = Add(v1::ADVICE_NEIGHBOUR, &run);
  advice->set_text("stress-ng (pid 812, ann)");
  advice->set_ratio(0.34);
  EXPECT_EQ(LineOf(run),
            "small: stress-ng (pid 812, ann) had 34 % of the time of cpu0 in steps 5-9: torchlap "
            "run --model-sizes small --retry-contaminated 3 --device cpu0");
  advice->clear_text();
  EXPECT_THAT(LineOf(run), HasSubstr("small: others had 34 % of the time of cpu0: "));
}

TEST(Advice, BlamesAProcessOnlyForWhatItHad) {
  const std::string begin = "small: others had 53 % of the time of cpu0 in steps 5-9";
  const std::string who = "stress-ng (pid 812, ann)";
  const struct {
    bool is_named;
    std::optional<double> part;
    std::string words;
  } cases[] = {
      {true, 0.53, "small: " + who + " had 53 % of the time of cpu0 in steps 5-9: "},
      {true, 0.3, "small: " + who + " had 30 % of the time of cpu0 in steps 5-9: "},
      {true, 0.03, begin + ", the largest: " + who + " 3 %: "},
      {true, std::nullopt, begin + ", the largest: " + who + ": "},
      {false, 0.001, begin + ", mostly by processes that have ended: "},
      {false, std::nullopt, begin + ": "},
  };
  for (const auto& each : cases) {
    v1::Run run = DisturbedRun();
    v1::Evidence* evidence = run.mutable_assessment()->mutable_evidence(0);
    evidence->set_value(0.53);
    evidence->clear_process_value();
    if (each.part) evidence->set_process_value(*each.part);
    if (!each.is_named) {
      evidence->clear_pid();
      evidence->clear_process();
      evidence->clear_user();
    }
    v1::Advice* advice = Add(v1::ADVICE_NEIGHBOUR, &run);
    advice->set_ratio(0.53);
    if (each.is_named) advice->set_text(who);
    EXPECT_THAT(LineOf(run), StartsWith(each.words));
  }
}

TEST(Advice, BesideAGpuIsAboutTheTimeThatTheWorkerWaited) {
  v1::Run run = DisturbedRun();
  run.set_device("cuda:0");
  v1::Evidence* evidence = run.mutable_assessment()->mutable_evidence(0);
  evidence->set_process_value(0.1);
  Add(v1::ADVICE_NEIGHBOUR, &run)->set_text("stress-ng (pid 812, ann)");
  EXPECT_THAT(LineOf(run), StartsWith("small: the worker waited for a core for 34 % of the time in "
                                      "steps 5-9, the largest: stress-ng (pid 812, ann) 10 %: "));
  evidence->set_process_value(0.3);
  EXPECT_THAT(LineOf(run), StartsWith("small: stress-ng (pid 812, ann) kept the worker waiting for "
                                      "a core for 34 % of the time in steps 5-9: "));
}

TEST(Advice, OfOneRunIsOneCommandForAllThatChangesThePlan) {
  v1::Run run = SmallRun();
  run.mutable_plan()->set_warmup_steps(2);
  run.set_settles_at_step(4);
  AddEvidence(v1::REASON_COLD_START, 0.42, 0.05, &run);
  AddEvidence(v1::REASON_SHORT_WINDOW, 0.1, 0.2, &run);
  Add(v1::ADVICE_MORE_WARMUP, &run)->set_number(4);
  Add(v1::ADVICE_LONGER_WINDOW, &run)->set_number(19);
  EXPECT_THAT(LineOf(run),
              EndsWith("times settle at step 4; 100 ms of measured steps are too short for the "
                       "counters to say anything, 200 ms are enough, 19 steps would take them: "
                       "torchlap run --model-sizes small --warmup-steps 4 --measure-steps 19 "
                       "--device cpu0"));
  // The warm-up that is advised stays, also where there was none.
  AddEvidence(v1::REASON_NO_WARMUP, 0, 1, &run);
  EXPECT_THAT(LineOf(run), HasSubstr("--warmup-steps 4 --measure-steps 19"));
  // For programs each piece stands alone, and undoes no other.
  for (const v1::Advice& advice : run.assessment().advice()) {
    EXPECT_THAT(WordAdvice(run, advice).command, HasSubstr("--warmup-steps 4 --measure-steps 19"));
  }
  Add(v1::ADVICE_DRIFT, &run)->set_number(7);
  EXPECT_THAT(LineOf(run), HasSubstr("--warmup-steps 4 --measure-steps 19 --launches 7"));
}

TEST(Advice, AgainstNoiseThatStepsDoNotMendIsAQuietDevice) {
  v1::Run run = SmallRun();
  AddEvidence(v1::REASON_NOISE, 0.9, 0.1, &run);
  run.mutable_forward()->set_cv(0.01);
  run.mutable_backward()->set_cv(0.02);
  v1::Advice* advice = Add(v1::ADVICE_NOISE_REMAINS, &run);
  advice->set_number(9718);
  advice->set_ratio(0.1);
  EXPECT_EQ(LineOf(run),
            "small: CV 3.4 %, noise without cold start, drift or two modes, too much for more "
            "steps to help (9718 for ± 10 % of the mean step): wait for a quiet device: torchlap "
            "doctor");
}

TEST(Advice, AboutASlowDeviceHasItsNumbers) {
  v1::Run run = SmallRun();
  run.set_device("cuda:0");
  AddEvidence(v1::REASON_THERMAL, 0.12, 0.01, &run);
  Add(v1::ADVICE_THROTTLED, &run)->set_text("thermal");
  EXPECT_EQ(LineOf(run),
            "small: cuda:0 was slowed down, thermal 12 % (threshold 1 %), steps 5-9: torchlap "
            "doctor");
}

v1::Run OutOfMemoryWithParts() {
  v1::Run run = OutOfMemoryRun();
  v1::MemoryParts* parts = run.mutable_assessment()->mutable_memory();
  parts->set_weights_bytes(4 * kGiB);
  parts->set_gradients_bytes(4 * kGiB);
  parts->set_activations_bytes(9 * kGiB);
  return run;
}

TEST(Advice, AfterOutOfMemoryIsToTryForTheLargestSize) {
  v1::Run run = OutOfMemoryWithParts();
  // The older code named a size, and what it would need at least.
  for (const v1::AdviceCode code : {v1::ADVICE_FIT, v1::ADVICE_SMALLER_FITS}) {
    run.mutable_assessment()->clear_advice();
    v1::Advice* advice = Add(code, &run);
    advice->set_bytes(12 * kGiB + kGiB / 2);
    advice->set_bytes2(15 * kGiB);
    EXPECT_EQ(LineOf(run),
              "large: weights 4.00 GiB + gradients 4.00 GiB = 8.00 GiB go into the 15.0 GiB of "
              "cpu0, but not with the activations of batch 4, context 256 beside them; try for the "
              "largest batch that fits: torchlap fit --model-sizes large --device cpu0");
  }
  SetSizes(1, 1024, run.mutable_workload());
  EXPECT_THAT(LineOf(run), EndsWith("activations of batch 1, context 1024 beside them; try for the "
                                    "largest context that fits: torchlap fit --axis context "
                                    "--model-sizes large --batch-size 1 --device cpu0"));
  run.mutable_assessment()->clear_memory();
  EXPECT_THAT(LineOf(run), HasSubstr("large: batch 1, context 1024 ran out of memory; try for"));
}

TEST(Advice, AfterTheLastContaminatedTryIsToWait) {
  v1::Run run = DisturbedRun();
  v1::Advice* advice = Add(v1::ADVICE_QUIET_DEVICE, &run);
  advice->set_text("stress-ng (pid 812, ann)");
  advice->set_ratio(0.34);
  advice->set_number(4);
  advice->set_number2(4);
  EXPECT_EQ(LineOf(run),
            "small: stress-ng (pid 812, ann) had 34 % of the time of cpu0 in steps 5-9, 4 of 4 "
            "tries contaminated: wait for a quiet device: torchlap doctor");
}

TEST(Advice, AboutAShortWindowIsMoreSteps) {
  v1::Run run = SmallRun();
  AddEvidence(v1::REASON_SHORT_WINDOW, 0.02, 0.2, &run);
  Add(v1::ADVICE_LONGER_WINDOW, &run)->set_number(120);
  EXPECT_EQ(LineOf(run),
            "small: 20 ms of measured steps are too short for the counters to say anything, 200 ms "
            "are enough, 120 steps would take them: torchlap run --model-sizes small "
            "--measure-steps 120 --device cpu0");
  run.mutable_plan()->set_warmup_steps(0);
  EXPECT_THAT(LineOf(run), HasSubstr("--warmup-steps 0 --measure-steps 120"));
  AddEvidence(v1::REASON_NO_WARMUP, 0, 1, &run);
  EXPECT_THAT(LineOf(run), HasSubstr("small --measure-steps 120"));
}

TEST(Advice, AboutAPeakThatIsNoneIsToCalibrateAgain) {
  v1::Run run = SmallRun();
  run.set_matmul_peak_ratio(1.14);
  v1::Advice* advice = Add(v1::ADVICE_CALIBRATE_AGAIN, &run);
  advice->set_text("4.1");
  advice->set_ratio(7.7);
  EXPECT_EQ(LineOf(run),
            "small: of peak 114.0 %: calibration 4.1 ran at load 7.7; calibrate again: torchlap "
            "calibrate --device cpu0");
  advice->set_ratio(0);
  EXPECT_THAT(LineOf(run), HasSubstr("calibration 4.1 found less; calibrate again"));
}

TEST(Advice, HasTheCvOfTheTable) {
  v1::Run run = SmallRun();
  AddEvidence(v1::REASON_NOISE, 0.142, 0.1, &run);
  Add(v1::ADVICE_TWO_MODES, &run);
  // The backward's: the largest of the phases'.
  run.mutable_backward()->set_cv(0.1234);
  EXPECT_THAT(LineOf(run), HasSubstr("small: CV 12.3 % of backward, times"));
  EXPECT_THAT(Printed(kTable, ShowResults({run})), HasSubstr("| 12.3 % "));
  // Over launches it is another one, and says so.
  run.set_pooled_launches(3);
  run.mutable_step()->set_within_std_ns(0.2 * run.step().mean_ns());
  EXPECT_THAT(LineOf(run), HasSubstr("small: CV 20.0 % within a launch, times"));
}

TEST(Advice, EndsWithTheFormatsThatAreEmulated) {
  std::vector<v1::Run> rows = {SmallRun(), SmallRun(), SmallRun()};
  for (v1::Run& row : rows) row.mutable_numerics()->set_instructions("emulated");
  rows[0].mutable_workload()->mutable_transformer_lm()->set_precision(v1::PRECISION_FP16);
  rows[1].mutable_workload()->mutable_transformer_lm()->set_precision(v1::PRECISION_FP16);
  rows[2].mutable_numerics()->set_instructions("native");
  EXPECT_THAT(AdviceLines(rows), ElementsAre("fp16 is emulated on this CPU (cpu0)"));
  EXPECT_THAT(Printed(kTable, ShowResults(rows)),
              EndsWith("fp16 is emulated on this CPU (cpu0)\n"));
}

TEST(Advice, WhereNothingFitsSaysWhatThePassMustHold) {
  v1::Run run = OutOfMemoryWithParts();
  v1::Advice* advice = Add(v1::ADVICE_NOTHING_FITS, &run);
  advice->set_bytes(8 * kGiB);
  advice->set_bytes2(6 * kGiB);
  EXPECT_EQ(LineOf(run),
            "large: weights 4.00 GiB + gradients 4.00 GiB = 8.00 GiB before any activation, cpu0 "
            "has 6.00 GiB, so no batch fits; a forward holds 4.00 GiB: torchlap run --model-sizes "
            "large --pass-type forward --device cpu0");
  advice->set_bytes2(3 * kGiB);
  EXPECT_THAT(LineOf(run),
              EndsWith("so no batch and no pass fits; smaller models: torchlap presets"));
}

TEST(Advice, WhereOnlyWeightsInBf16FitIsToTakeThem) {
  v1::Run run = OutOfMemoryWithParts();
  v1::Advice* nothing = Add(v1::ADVICE_NOTHING_FITS, &run);
  nothing->set_bytes(8 * kGiB);
  nothing->set_bytes2(3 * kGiB);
  v1::Advice* lighter = Add(v1::ADVICE_FORWARD_BF16_WEIGHTS_FIT, &run);
  lighter->set_bytes(2 * kGiB);
  lighter->set_bytes2(3 * kGiB);
  EXPECT_EQ(LineOf(run),
            "large: weights 4.00 GiB + gradients 4.00 GiB = 8.00 GiB before any activation, cpu0 "
            "has 3.00 GiB, so no batch fits; a forward with weights in bf16 holds 2.00 GiB of 3.00 "
            "GiB: torchlap run --model-sizes large --pass-type forward --precision bf16-weights "
            "--device cpu0");
  // A forward in fp32 does not fit, but one in bf16 does.
  SetPass(v1::PASS_TYPE_FORWARD, run.mutable_workload());
  run.mutable_assessment()->mutable_memory()->clear_gradients_bytes();
  lighter->set_code(v1::ADVICE_BF16_WEIGHTS_FIT);
  EXPECT_EQ(LineOf(run),
            "large: weights 4.00 GiB before any activation, cpu0 has 3.00 GiB, so no batch fits; "
            "with weights in bf16 the same holds 2.00 GiB of 3.00 GiB: torchlap run --model-sizes "
            "large --pass-type forward --precision bf16-weights --device cpu0");
}

TEST(Advice, WhereNothingFitsIsSaidOnceForASize) {
  std::vector<v1::Run> rows;
  for (const uint32_t context : {256, 512, 1024}) {
    for (const uint32_t batch : {1, 4}) {
      rows.push_back(OutOfMemoryWithParts());
      SetSizes(batch, context, rows.back().mutable_workload());
      rows.back().set_requested_batch_size(batch);
      rows.back().set_requested_context_length(context);
      Add(v1::ADVICE_NOTHING_FITS, &rows.back())->set_bytes2(3 * kGiB);
    }
  }
  EXPECT_THAT(AdviceLines(rows), ElementsAre(StartsWith("large: weights 4.00 GiB + ")));
  // Another pass is another fact.
  SetPass(v1::PASS_TYPE_TRAIN_STEP, rows.back().mutable_workload());
  rows.back().mutable_assessment()->mutable_memory()->set_optimizer_bytes(8 * kGiB);
  EXPECT_THAT(AdviceLines(rows), ElementsAre(StartsWith("large, forward-backward: weights"),
                                             StartsWith("large, train-step")));
}

TEST(Advice, ToLookForTheLargestBatchIsSaidOnce) {
  std::vector<v1::Run> rows = {OutOfMemoryWithParts(), OutOfMemoryWithParts()};
  SetSizes(8, 256, rows[0].mutable_workload());
  rows[0].set_requested_batch_size(8);
  for (v1::Run& row : rows) Add(v1::ADVICE_FIT, &row)->set_bytes2(15 * kGiB);
  EXPECT_THAT(AdviceLines(rows), ElementsAre(HasSubstr("activations of batch 8, context 256")));
  SetSizes(4, 512, rows[1].mutable_workload());
  EXPECT_EQ(AdviceLines(rows).size(), 2u);
}

TEST(Advice, AboutOtherFormatsChangesThePrecision) {
  v1::Run run = OutOfMemoryWithParts();
  v1::Advice* advice = Add(v1::ADVICE_BF16_WEIGHTS_FIT, &run);
  advice->set_bytes(4 * kGiB);
  advice->set_bytes2(6 * kGiB);
  EXPECT_EQ(LineOf(run),
            "large: with weights in bf16 the same holds 4.00 GiB of 6.00 GiB: torchlap run "
            "--model-sizes large --precision bf16-weights --device cpu0");
}

TEST(Advice, AboutTheDeviceIsSaidOnce) {
  std::vector<v1::Run> rows = {SmallRun(), ScaledRun("medium", 423'183'360, 18, 3)};
  for (v1::Run& row : rows) {
    Add(v1::ADVICE_CALIBRATE, &row);
    Add(v1::ADVICE_USE_TF32, &row);
  }
  EXPECT_THAT(
      AdviceLines(rows),
      ElementsAre("cpu0 has no clean calibration, so its peak is not known: torchlap calibrate "
                  "--device cpu0",
                  "cpu0 has TF32, which products in fp32 do not use: torchlap run "
                  "--model-sizes small --precision tf32 --device cpu0"));
}

TEST(Advice, BeginsWithWhatDisturbedTheRun) {
  v1::Run run = DisturbedRun();
  AddEvidence(v1::REASON_NOISE, 0.142, 0.1, &run);
  AddEvidence(v1::REASON_DRIFT, 0.06, 0.01, &run);
  Add(v1::ADVICE_DRIFT, &run)->set_number(7);
  Add(v1::ADVICE_NEIGHBOUR, &run)->set_text("stress-ng (pid 812, ann)");
  EXPECT_EQ(LineOf(run),
            "small: CV 5.5 % of forward, stress-ng (pid 812, ann) had 34 % of the time of cpu0 in "
            "steps 5-9; times drift (+6 % from the first half to the second): torchlap run "
            "--model-sizes small --launches 7 --retry-contaminated 3 --device cpu0");
}

TEST(Advice, TellsRowsOfOneSizeApart) {
  v1::Run longer = DriftingRun();
  longer.mutable_workload()->mutable_transformer_lm()->set_context_length(512);
  longer.set_requested_context_length(512);
  const auto lines = AdviceLines({DriftingRun(), longer});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[1], HasSubstr("small, context 512: times drift"));
}

TEST(Advice, OfANewerDaemonThatHasNoWordsHereIsLeftOut) {
  v1::Run run = SmallRun();
  Add(static_cast<v1::AdviceCode>(999), &run);
  EXPECT_THAT(AdviceLines({run}), IsEmpty());
}

TEST(Advice, StandsBelowTablesAlone) {
  EXPECT_THAT(Printed(kTable, ShowResults({DriftingRun()})),
              EndsWith("--launches 7 --device cpu0\n"));
  for (const Format* format : {&kMarkdown, &kWriteup, &kCsv, &kJson}) {
    EXPECT_THAT(Printed(*format, ShowResults({DriftingRun()})), Not(HasSubstr("torchlap run")));
  }
}

TEST(Advice, ForADeviceThatWaitsIsAGraphOrALargerBatch) {
  v1::Run run = SmallRun();
  run.set_device("cuda:0");
  v1::Advice* advice = Add(v1::ADVICE_HOST_BOUND, &run);
  advice->set_ratio(0.42);
  advice->set_number(8);
  const std::string line = LineOf(run);
  EXPECT_THAT(line,
              StartsWith("small: cuda:0 works for 42 % of a step and waits for the host else, "
                         "which a larger batch (--batch-size 8) or a CUDA graph makes less "
                         "of: torchlap run "));
  EXPECT_THAT(line, HasSubstr(" --timing combined"));
  EXPECT_THAT(line, HasSubstr(" --cuda-graph"));
  EXPECT_THAT(line, Not(HasSubstr("--optimizer")));
  run.mutable_workload()->mutable_transformer_lm()->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  EXPECT_THAT(LineOf(run), HasSubstr(" --optimizer fused"));
  run.mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
  EXPECT_THAT(LineOf(run), HasSubstr(", which a larger batch makes less of: torchlap run "));
  EXPECT_THAT(LineOf(run), HasSubstr(" --batch-size 8"));
}

}  // namespace
}  // namespace torchlap::client::format
