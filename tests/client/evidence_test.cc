#include "client/format/evidence.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "client/format/column_cells.h"
#include "client/format/pivot_cells.h"
#include "client/format/words.h"
#include "proto/words.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client::format {
namespace {

TEST(Mark, OfACleanRunSaysSo) {
  v1::Run run = SmallRun();
  EXPECT_EQ(VerdictWords(run), "");
  run.set_validity(v1::VALIDITY_CLEAN);
  EXPECT_EQ(VerdictWords(run), "clean");
  run.set_outcome(v1::OUTCOME_CRASHED);
  EXPECT_EQ(VerdictWords(run), "");
}

TEST(Mark, OfTooFewStepsSaysWhatIsMissing) {
  v1::Run run = SmallRun();
  Doubt(v1::VALIDITY_UNVERIFIED,
        {AddEvidence(v1::REASON_FEW_STEPS, 1, 5, &run),
         AddEvidence(v1::REASON_NO_WARMUP, 0, 1, &run)},
        &run);
  EXPECT_EQ(VerdictWords(run), "unverified: few-steps, no-warmup");
  for (v1::Evidence& evidence : *run.mutable_assessment()->mutable_evidence()) {
    evidence.clear_first_step();
  }
  EXPECT_EQ(EvidenceWords(run.assessment().evidence(0)), "few-steps 1 step (threshold 5 steps)");
  EXPECT_EQ(EvidenceWords(run.assessment().evidence(1)), "no-warmup 0 steps (threshold 1 step)");
}

TEST(Mark, OfASuspectRunLeavesOutThatItWasShortToo) {
  v1::Run run = SmallRun();
  Doubt(v1::VALIDITY_SUSPECT,
        {AddEvidence(v1::REASON_NOISE, 0.2, 0.1, &run),
         AddEvidence(v1::REASON_FEW_STEPS, 2, 5, &run)},
        &run);
  EXPECT_EQ(VerdictWords(run), "suspect: noise");
}

TEST(Mark, NamesVerdictAndReason) {
  v1::Run run = SmallRun();
  Doubt(v1::VALIDITY_SUSPECT, {AddEvidence(v1::REASON_DRIFT, 0.06, 0.01, &run)}, &run);
  EXPECT_EQ(VerdictWords(run), "suspect: drift");
  run = SmallRun();
  Doubt(v1::VALIDITY_UNVERIFIED, {AddEvidence(v1::REASON_SHORT_WINDOW, 0.1, 0.2, &run)}, &run);
  EXPECT_EQ(VerdictWords(run), "unverified: short-window");
}

TEST(Mark, OfARunThatWaitedForItsDeviceSaysHowLong) {
  v1::Run run = SmallRun();
  run.set_validity(v1::VALIDITY_CLEAN);
  v1::Evidence evidence;
  evidence.set_reason(v1::REASON_SETTLED);
  evidence.set_value(42.4);
  EXPECT_EQ(EvidenceWords(evidence), "settled: waited 42 s");
  evidence.set_celsius(49);
  EXPECT_EQ(EvidenceWords(evidence), "settled: waited 42 s, 49 C");
  evidence.set_reason(v1::REASON_NOT_SETTLED);
  evidence.set_value(300);
  evidence.set_threshold(300);
  evidence.set_celsius(71);
  EXPECT_EQ(EvidenceWords(evidence), "not-settled: waited 300 s, 71 C, gave up");
  *run.mutable_assessment()->add_evidence() = evidence;
  evidence.Clear();
  evidence.set_reason(v1::REASON_SETTINGS_MISSING);
  EXPECT_EQ(EvidenceWords(evidence), "settings-missing");
  EXPECT_EQ(VerdictWords(run), "clean") << "a note is no doubt";
}

constexpr char kGaveUp[] = "not-settled: waited 300 s, 71 C, gave up; settings-missing";

TEST(Note, OfACleanRunTellsThatItsDeviceWasNotAsItIsWanted) {
  const v1::Run run = RunThatGaveUp();
  EXPECT_EQ(ConditionWords(run), kGaveUp);
  EXPECT_EQ(VerdictAndCondition(run), std::string("clean; ") + kGaveUp);
  EXPECT_EQ(NoteWords(run), std::string("clean; ") + kGaveUp);
  EXPECT_EQ(CellNote(run), kGaveUp) << "a pivot has no word for clean";
}

TEST(Note, OfADeviceThatWasAsItIsWantedSaysNothingOfIt) {
  v1::Run run = SmallRun();
  run.mutable_assessment()->add_evidence()->set_reason(v1::REASON_SETTLED);
  EXPECT_EQ(ConditionWords(run), "");
  EXPECT_EQ(NoteWords(run), "");
  run.set_validity(v1::VALIDITY_CLEAN);
  EXPECT_EQ(NoteWords(run), "clean");
}

TEST(Note, OfADoubtfulRunHasTheDoubtFirst) {
  v1::Run run = DisturbedRun();
  run.mutable_assessment()->add_evidence()->set_reason(v1::REASON_SETTINGS_MISSING);
  EXPECT_EQ(NoteWords(run), VerdictWords(run) + "; settings-missing");
}

TEST(Mark, SaysWhoDisturbedARunAndWhen) {
  EXPECT_EQ(VerdictWords(DisturbedRun()),
            "contaminated: foreign-cpu 34 % by stress-ng (pid 812, ann), steps 5-9");
}

TEST(Mark, HasTheWorstOfSeveralIntervalsAndTheStepsOfAll) {
  v1::Run run = DisturbedRun();
  v1::Evidence again = run.assessment().evidence(0);
  again.set_value(0.5);
  again.set_first_step(12);
  again.set_last_step(12);
  *run.mutable_assessment()->add_evidence() = again;
  EXPECT_EQ(VerdictWords(run),
            "contaminated: foreign-cpu 50 % by stress-ng (pid 812, ann), steps 5-9, 12");
}

// Others had 53 % of the device's time.
v1::Run RunBeside(const char* process, std::optional<double> part) {
  v1::Run run = SmallRun();
  Doubt(v1::VALIDITY_CONTAMINATED, {AddEvidence(v1::REASON_FOREIGN_CPU, 0.53, 0.05, &run)}, &run);
  v1::Evidence* evidence = run.mutable_assessment()->mutable_evidence(0);
  if (*process != '\0') {
    evidence->set_pid(31945);
    evidence->set_process(process);
    evidence->set_user("root");
  }
  if (part) evidence->set_process_value(*part);
  return run;
}

TEST(Mark, BlamesAProcessOnlyForWhatItHad) {
  const struct {
    const char* process;
    std::optional<double> part;
    std::string who;
  } cases[] = {
      {"as", 0.53, " by as (pid 31945, root)"},
      {"as", 0.27, " by as (pid 31945, root)"},
      {"as", 0.26, ", the largest: as (pid 31945, root) 26 %"},
      {"as", 0.0328, ", the largest: as (pid 31945, root) 3.3 %"},
      {"", 0.002, ", mostly by processes that have ended"},
      // Of an older daemon, and where nobody could tell.
      {"as", std::nullopt, ", the largest: as (pid 31945, root)"},
      {"", std::nullopt, ""},
  };
  for (const auto& each : cases) {
    const v1::Run run = RunBeside(each.process, each.part);
    EXPECT_EQ(VerdictWords(run), "contaminated: foreign-cpu 53 %" + each.who + ", steps 5-9");
    EXPECT_EQ(EvidenceWords(run.assessment().evidence(0)),
              "foreign-cpu 53 % (threshold 5 %)" + each.who + ", steps 5-9");
  }
}

TEST(Mark, OfAGpuNamesEachProcessWithItsOwnShare) {
  v1::Run run = RunBeside("python", std::nullopt);
  run.mutable_assessment()->mutable_evidence(0)->set_reason(v1::REASON_FOREIGN_GPU);
  run.set_validity_reasons("foreign-gpu");
  EXPECT_EQ(VerdictWords(run),
            "contaminated: foreign-gpu 53 % by python (pid 31945, root), steps 5-9");
}

TEST(Mark, HasTheNumbersOfTheWorstReasonOnly) {
  v1::Run run = DisturbedRun();
  AddEvidence(v1::REASON_THERMAL, 0.2, 0.01, &run);
  run.set_validity_reasons("foreign-cpu,thermal");
  EXPECT_EQ(VerdictWords(run),
            "contaminated: foreign-cpu 34 % by stress-ng (pid 812, ann), steps 5-9, thermal");
}

TEST(Mark, LeavesOutWhatTheVerdictDoesNotStandOn) {
  v1::Run run = DisturbedRun();
  run.set_validity_reasons("foreign-cpu,drift,noise");
  EXPECT_EQ(VerdictWords(run),
            "contaminated: foreign-cpu 34 % by stress-ng (pid 812, ann), steps 5-9");
  run = SmallRun();
  Doubt(v1::VALIDITY_SUSPECT, {v1::REASON_COLD_START, v1::REASON_NOISE, v1::REASON_FEW_STEPS},
        &run);
  EXPECT_EQ(VerdictWords(run), "suspect: cold-start, noise");
}

// Else it would read as if nobody had computed beside it.
TEST(Mark, OfASuspectRunSaysThatNobodyCouldSeeWhoElseComputed) {
  for (const v1::Reason gap : {v1::REASON_SHORT_WINDOW, v1::REASON_NO_COUNTERS,
                               v1::REASON_PIDS_NOT_TRANSLATED, v1::REASON_NO_UTILISATION}) {
    for (const v1::Reason fault : {v1::REASON_NOISE, v1::REASON_DRIFT}) {
      v1::Run run = SmallRun();
      Doubt(v1::VALIDITY_SUSPECT, {fault, gap}, &run);
      EXPECT_EQ(VerdictWords(run),
                "suspect: " + std::string(Word(fault)) + ", " + std::string(Word(gap)));
    }
  }
  v1::Run run = DisturbedRun();
  run.set_validity_reasons("foreign-cpu,noise,short-window");
  EXPECT_EQ(VerdictWords(run),
            "contaminated: foreign-cpu 34 % by stress-ng (pid 812, ann), steps 5-9");
}

TEST(Mark, OfAClockSaysHowFarItFell) {
  v1::Run run = SmallRun();
  Doubt(v1::VALIDITY_CONTAMINATED, {AddEvidence(v1::REASON_CLOCK_DROP, 0.61, 0.75, &run)}, &run);
  EXPECT_EQ(VerdictWords(run), "contaminated: clock-drop to 61 %, steps 5-9");
}

TEST(Mark, OfLowEfficiencyNamesWhatItIsMeasuredAgainst) {
  v1::Run run = SmallRun();
  Doubt(v1::VALIDITY_SUSPECT, {AddEvidence(v1::REASON_LOW_EFFICIENCY, 0.12, 0.5, &run)}, &run);
  run.mutable_assessment()->mutable_evidence(0)->set_run_id("9.1");
  EXPECT_EQ(VerdictWords(run), "suspect: low-efficiency 12 % of 9.1");
}

TEST(Mark, WithoutEvidenceStillHasTheReasons) {
  v1::Run run = SmallRun();
  run.set_validity(v1::VALIDITY_SUSPECT);
  run.set_validity_reasons("drift,noise");
  EXPECT_EQ(VerdictWords(run), "suspect: drift, noise");
  run.clear_validity_reasons();
  EXPECT_EQ(VerdictWords(run), "suspect");
}

TEST(Evidence, IsToldWithItsThresholdAndUnit) {
  v1::Run run;
  AddEvidence(v1::REASON_FOREIGN_CPU, 0.342, 0.05, &run);
  AddEvidence(v1::REASON_DRIFT, -0.061, 0.01, &run);
  AddEvidence(v1::REASON_SHORT_WINDOW, 0.123, 0.2, &run);
  const auto& evidence = run.assessment().evidence();
  EXPECT_EQ(EvidenceWords(evidence[0]), "foreign-cpu 34 % (threshold 5 %), steps 5-9");
  EXPECT_EQ(EvidenceWords(evidence[1]), "drift -6.1 % (threshold 1 %), steps 5-9");
  EXPECT_EQ(EvidenceWords(evidence[2]), "short-window 0.12 s (threshold 0.20 s), steps 5-9");
  EXPECT_EQ(EvidenceWords(DisturbedRun().assessment().evidence(0)),
            "foreign-cpu 34 % (threshold 5 %) by stress-ng (pid 812, ann), steps 5-9");
}

TEST(Evidence, AboutTheWholeRunNamesNoSteps) {
  v1::Evidence evidence;
  evidence.set_reason(v1::REASON_NO_COUNTERS);
  EXPECT_EQ(EvidenceWords(evidence), "no-counters");
  evidence.set_reason(v1::REASON_PIDS_NOT_TRANSLATED);
  EXPECT_EQ(EvidenceWords(evidence), "pids-not-translated");
  evidence.set_reason(v1::REASON_NO_UTILISATION);
  EXPECT_EQ(EvidenceWords(evidence), "no-utilisation");
  evidence.set_pid(101);
  evidence.set_process("python");
  evidence.set_user("bob");
  EXPECT_EQ(EvidenceWords(evidence), "no-utilisation by python (pid 101, bob)");
}

}  // namespace
}  // namespace torchlap::client::format
