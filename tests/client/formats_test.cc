#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>
#include <utility>

#include "client/format/format.h"
#include "client/format/listing.h"
#include "client/format/runs.h"
#include "client/format/sheet.h"
#include "client/format/show.h"
#include "client/format/sweeps.h"
#include "client/format/words.h"
#include "tests/client/golden.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client::format {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Written(const Format& format, const std::vector<v1::Run>& runs) {
  return Printed(format, ShowResults(runs));
}

std::string Csv(Sheet sheet) {
  Document document;
  document.rows = RowsOf(std::move(sheet));
  return Printed(kCsv, document);
}

v1::TransformerLm* ModelOf(v1::Run* run) {
  return run->mutable_workload()->mutable_transformer_lm();
}

// Sizes that succeeded, shrank, ran out of memory and were skipped.
std::vector<v1::Run> MixedCells() {
  return {SmallRun(), ScaledRun("medium", 423'183'360, 18, 3.1), ShrunkRun(), OutOfMemoryRun(),
          SkippedRun()};
}

v1::Run CombinedRun() {
  v1::Run run = SmallRun();
  run.mutable_plan()->set_timing(v1::TIMING_COMBINED);
  for (auto clear : {&v1::Run::clear_forward, &v1::Run::clear_loss, &v1::Run::clear_backward,
                     &v1::Run::clear_backward_forward_ratio}) {
    (run.*clear)();
  }
  SetPhase(308, 17.9, run.mutable_step());
  return run;
}

v1::Run ForwardRun() {
  v1::Run run = SmallRun();
  ModelOf(&run)->set_pass_type(v1::PASS_TYPE_FORWARD);
  run.clear_loss();
  run.clear_backward();
  run.clear_backward_forward_ratio();
  SetPhase(152.4, 8.46, run.mutable_step());
  return run;
}

v1::Run TrainStepRun() {
  v1::Run run = SmallRun();
  ModelOf(&run)->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  ModelOf(&run)->set_optimizer(v1::OPTIMIZER_COURSE);
  SetPhase(41.2, 0.53, run.mutable_optimizer());
  SetPhase(499.5, 16.1, run.mutable_step());
  return run;
}

std::vector<v1::Run> ContextSweep() {
  std::vector<v1::Run> cells;
  for (const uint32_t context : {32u, 64u}) {
    v1::Run run = ScaledRun("small", 128'625'408, 30 + context, context / 256.0);
    ModelOf(&run)->set_context_length(context);
    run.set_requested_context_length(context);
    cells.push_back(run);
  }
  return cells;
}

TEST(Table, OfASweepOfSizesSaysWhyCellsHaveNoNumbers) {
  ExpectGolden("sizes.table", Written(kTable, MixedCells()));
  ExpectGolden("sizes.md", Written(kMarkdown, MixedCells()));
  ExpectGolden("sizes.writeup", Written(kWriteup, MixedCells()));
  ExpectGolden("sizes.tex", Written(kLatex, MixedCells()));
  ExpectGolden("sizes.typ", Written(kTypst, MixedCells()));
}

TEST(Table, MovesASizeThatIsTheSameEverywhereToTheCaption) {
  ExpectGolden("contexts.table", Written(kTable, ContextSweep()));
  ExpectGolden("contexts.writeup", Written(kWriteup, ContextSweep()));
}

TEST(Table, OfOneCellStillNamesItsRow) {
  ExpectGolden("one.table", Written(kTable, {SmallRun()}));
  ExpectGolden("one.writeup", Written(kWriteup, {SmallRun()}));
}

TEST(Table, OfCombinedTimingShowsOnlyTheStep) {
  ExpectGolden("combined.table", Written(kTable, {CombinedRun()}));
  ExpectGolden("combined.writeup", Written(kWriteup, {CombinedRun()}));
}

TEST(Table, OfDifferentPassesMarksWhatDoesNotApply) {
  const std::vector<v1::Run> cells = {ForwardRun(), SmallRun(), TrainStepRun()};
  ExpectGolden("passes.table", Written(kTable, cells));
  ExpectGolden("passes.writeup", Written(kWriteup, cells));
}

TEST(Table, OfPooledLaunchesSaysWhatTheNoiseIsOver) {
  v1::Run run = SmallRun();
  run.set_pooled_launches(7);
  run.mutable_step()->set_within_std_ns(0.84e6);
  ExpectGolden("launches.table", Written(kTable, {run}));
  ExpectGolden("launches.writeup", Written(kWriteup, {run}));
}

TEST(Table, HasTheNoiseWithinALaunchOfPooledRunsAlone) {
  v1::Run run = SmallRun();
  run.mutable_step()->set_within_std_ns(0.84e6);
  const auto table = [&] { return Written(kTable, {run, SmallRun()}); };
  EXPECT_THAT(table(), Not(HasSubstr("within a launch (ms)")));
  run.set_pooled_launches(1);
  EXPECT_THAT(table(), Not(HasSubstr("within a launch (ms)")));
  run.set_pooled_launches(2);
  EXPECT_THAT(table(), HasSubstr("| ± 0.84 "));
  run.mutable_step()->clear_within_std_ns();
  EXPECT_THAT(table(), Not(HasSubstr("within a launch (ms)")));
  run.mutable_step()->set_within_std_ns(0.84e6);
  run.set_outcome(v1::OUTCOME_CRASHED);
  EXPECT_THAT(table(), Not(HasSubstr("within a launch (ms)")));
}

TEST(Table, HasTheTokensOfRunsThatEndedWell) {
  v1::Run run = SmallRun();
  EXPECT_THAT(Written(kTable, {run}), HasSubstr("tokens/s"));
  run.clear_tokens_per_s();
  EXPECT_THAT(Written(kTable, {run}), Not(HasSubstr("tokens/s")));
  v1::Run failed = OutOfMemoryRun();
  failed.set_tokens_per_s(54321);
  EXPECT_THAT(Written(kTable, {run, failed}), Not(HasSubstr("tokens/s")));
  EXPECT_THAT(Written(kTable, {SmallRun(), failed}), Not(HasSubstr("5432")));
}

TEST(Table, NamesTheSizesOfRowsThatDifferInThemAndInMore) {
  v1::Run medium = ScaledRun("medium", 423'183'360, 18, 3);
  ModelOf(&medium)->set_context_length(512);
  medium.set_requested_context_length(512);
  const std::string table = Written(kTable, {SmallRun(), medium});
  EXPECT_THAT(table, HasSubstr("| small  | 128.6M | 256 "));
  EXPECT_THAT(table, HasSubstr("| medium | 423.2M | 512 "));
  EXPECT_THAT(Written(kTable, {SmallRun(), SmallRun()}), HasSubstr("| small | 128.6M |"))
      << "nothing else would name the rows";
}

TEST(Table, OfSeveralMachinesSaysWhoseEachRowIs) {
  v1::Run other = SmallRun();
  other.set_host("lab2");
  const std::string both = Written(kTable, {SmallRun(), other});
  EXPECT_THAT(both, HasSubstr("| host |"));
  EXPECT_THAT(both, HasSubstr("| here |"));
  EXPECT_THAT(both, HasSubstr("| lab2 |"));
  EXPECT_THAT(Written(kTable, {other}), HasSubstr("host lab2")) << "in the caption";
  EXPECT_THAT(Written(kTable, {SmallRun()}), Not(HasSubstr("| here ")));
}

TEST(Table, OfRunsThatStopByThemselvesSaysHowManyStepsItTook) {
  std::vector<v1::Run> cells = {SmallRun(), ScaledRun("medium", 423'183'360, 18, 3.1)};
  for (v1::Run& cell : cells) {
    cell.mutable_plan()->set_target_precision(0.01);
    cell.set_actual_measure_steps(37);
    cell.set_stop_reason(v1::STOP_REASON_REACHED);
  }
  cells[1].set_actual_measure_steps(1000);
  cells[1].set_stop_reason(v1::STOP_REASON_LIMIT);
  ExpectGolden("target.table", Written(kTable, cells));
}

TEST(Table, OfACalibratedDeviceSetsRatesAgainstItsPeak) {
  std::vector<v1::Run> cells = {SmallRun(), SmallRun()};
  for (v1::Run& cell : cells) cell.set_device("cuda:0");
  cells[1].mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
  cells[1].set_flops_per_s(2.5e12);
  cells[0].set_matmul_peak_ratio(0.412);
  cells[1].set_matmul_peak_ratio(0.589);
  ExpectGolden("peak.table", Written(kTable, cells));
}

TEST(Table, OfDeviceEventsSaysWhoseClockItShows) {
  v1::Run run = SmallRun();
  run.mutable_plan()->set_timing(v1::TIMING_EVENTS);
  run.mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
  run.mutable_plan()->set_memory_fraction(0.25);
  EXPECT_THAT(Written(kTable, {run}),
              HasSubstr("events timing (device clock), batch 4, context 256, fp32, explicit "
                        "attention, cuda-graph, 25 % of the memory, 5 warm-up + 10 steps"));
}

TEST(Table, MarksWhatIsNotCleanAndSaysBelowWhatToDo) {
  v1::Run drifting = ScaledRun("medium", 423'183'360, 18, 3.1);
  Doubt(v1::VALIDITY_SUSPECT, {AddEvidence(v1::REASON_DRIFT, 0.06, 0.01, &drifting)}, &drifting);
  v1::Run disturbed = DisturbedRun();
  for (v1::Run* run : {&disturbed, &drifting}) {
    const bool drifts = run == &drifting;
    v1::Advice* advice = run->mutable_assessment()->add_advice();
    advice->set_code(drifts ? v1::ADVICE_DRIFT : v1::ADVICE_NEIGHBOUR);
    advice->set_number(drifts ? 7 : 0);
    advice->set_ratio(drifts ? 0 : 0.34);
    if (!drifts) advice->set_text("stress-ng (pid 812, ann)");
    run->mutable_assessment()->add_advice()->set_code(v1::ADVICE_CALIBRATE);
  }
  ExpectGolden("marks.table", Written(kTable, {disturbed, drifting}));
}

TEST(Table, OfOneStepHasNoNoise) {
  v1::Run run = SmallRun();
  run.mutable_plan()->set_warmup_steps(0);
  run.mutable_plan()->set_measure_steps(1);
  for (v1::PhaseSummary* phase :
       {run.mutable_forward(), run.mutable_loss(), run.mutable_backward(), run.mutable_step()}) {
    phase->clear_std_ns();
    phase->clear_cv();
  }
  ExpectGolden("one_step.table", Written(kTable, {run}));
  ExpectGolden("one_step.writeup", Written(kWriteup, {run}));
}

TEST(Table, NamesADeclaredShapeByItsNumbers) {
  v1::Run run = SmallRun();
  ModelOf(&run)->clear_preset();
  ModelOf(&run)->clear_edition();
  ModelOf(&run)->set_vocab_size(5000);
  const std::string table = Written(kTable, {run});
  EXPECT_THAT(table, HasSubstr("| L12 h12 d768 f3072 V5000 |"));
  EXPECT_THAT(table,
              testing::StartsWith("forward-backward, separate timing (host clock), batch 4"));
}

TEST(Table, HasTheVerdictOfEachRowCleanAmongThem) {
  v1::Run run = SmallRun();
  run.set_validity(v1::VALIDITY_CLEAN);
  EXPECT_THAT(Written(kTable, {run}), HasSubstr("| clean |"));
  run.set_validity(v1::VALIDITY_CONTAMINATED);
  EXPECT_THAT(Written(kTable, {run}), HasSubstr("| contaminated |"));
}

TEST(Table, OfNothingIsEmpty) {
  EXPECT_EQ(Written(kTable, {}), "");
  EXPECT_EQ(Written(kMarkdown, {}), "");
  EXPECT_EQ(Written(kWriteup, {}), "");
  EXPECT_EQ(Written(kLatex, {}), "");
  EXPECT_EQ(Written(kTypst, {}), "");
}

TEST(Calibration, IsCalledByItsNameAmongCellsAndHasNoPasses) {
  v1::Run run;
  run.set_run_id("9.1");
  run.set_outcome(v1::OUTCOME_OK);
  run.mutable_workload()->mutable_calibration()->set_matrix_size(1024);
  EXPECT_EQ(Written(kWriteup, {run}), "calibration:\n") << "it was made under no settings";
  EXPECT_THAT(Written(kTable, {run}), HasSubstr("| calibration |"));
  EXPECT_THAT(Written(kTable, {run}), Not(HasSubstr("ward (ms)")));
  EXPECT_THAT(Written(kWriteup, {run, SmallRun()}), Not(HasSubstr("L0 h0 d0 f0")));
}

TEST(Markdown, EscapesBars) {
  v1::Run run = SmallRun();
  run.set_outcome(v1::OUTCOME_CRASHED);
  run.mutable_failure()->set_detail("a | b");
  EXPECT_THAT(Written(kMarkdown, {run}), HasSubstr("CRASHED: a \\| b"));
  EXPECT_THAT(Written(kTable, {run}), HasSubstr("CRASHED: a | b"));
}

// What a process, a label or an error of a library may bring along.
constexpr char kHostile[] = "\x1b]0;t\x07\n\u202eevil\u009b2J";
constexpr char kShown[] = "\\x1b]0;t\\x07\\n\\u202eevil\\u009b2J";

v1::Run HostileRun() {
  v1::Run run = SmallRun();
  run.set_outcome(v1::OUTCOME_CRASHED);
  run.mutable_failure()->set_detail(kHostile);
  run.set_device_model(kHostile);
  run.set_user(kHostile);
  (*run.mutable_labels())["k"] = kHostile;
  return run;
}

TEST(Formats, NeverSteerATerminal) {
  for (const Format* format : {&kTable, &kMarkdown, &kWriteup, &kLatex, &kTypst, &kCsv}) {
    const std::string written = Written(*format, {HostileRun(), SmallRun()});
    for (const char* unseen : {"\x1b", "\x07", "\u202e", "\u009b"}) {
      EXPECT_THAT(written, Not(HasSubstr(unseen))) << format->name;
    }
  }
  EXPECT_THAT(Written(kTable, {HostileRun()}), HasSubstr(kShown));
  EXPECT_THAT(Written(kCsv, {HostileRun()}), HasSubstr(kShown));
}

TEST(Table, ShowsEveryKindOfBlockCleanAndAligned) {
  Document document;
  document.blocks = [] {
    Fields fields;
    fields.heading = kHostile;
    fields.Add("name", kHostile);
    Checklist list;
    list.items = {{kHostile, kHostile, kHostile, kHostile}};
    list.summary = kHostile;
    return std::vector<Block>{Grid{kHostile, {"a", "b"}, {{kHostile, "1"}, {"x", "2"}}},
                              Lines{kHostile}, fields, list};
  };
  const std::string table = Printed(kTable, document);
  for (const char* unseen : {"\x1b", "\x07", "\u202e", "\u009b"}) {
    EXPECT_THAT(table, Not(HasSubstr(unseen)));
  }
  const std::string cells = std::string("| ") + kShown + " | 1 |\n| x";
  EXPECT_THAT(table, HasSubstr(cells + std::string(std::string(kShown).size(), ' ') + "| 2 |\n"));
}

TEST(Table, ThatMustBeNarrowCountsWhatIsShown) {
  v1::Sweep sweep;
  sweep.set_sweep_id(3);
  sweep.set_user("ann");
  sweep.set_submitted_at_ns(1'769'860'800'000'000'000);
  for (int i = 0; i < 60; ++i) sweep.mutable_name()->append("\x1b");
  std::istringstream lines(Printed(kTable, ListSweeps({sweep}, true)));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(DisplayWidth(line), 80U) << line;
}

TEST(Markdown, IsTextWhateverItIsMadeOf) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a | b", "a \\| b"},
      {"a \\| b", "a \\\\\\| b"},
      {"`rm`", "\\`rm\\`"},
      {"<img src=x>", "\\<img src=x>"},
      {"![x](http://h)", "![x]\\(http://h)"},
      {"a\nb", "a\\\\nb"},
      {"d_ff 4 -> 2 [1, 3] (*)", "d_ff 4 -> 2 [1, 3] (*)"},
  };
  for (const auto& [text, escaped] : cases) {
    Document document;
    document.blocks = [cell = text] {
      return std::vector<Block>{Grid{cell, {"t"}, {{cell}}}, Lines{cell}};
    };
    const std::string written = Printed(kMarkdown, document);
    EXPECT_THAT(written, testing::StartsWith(escaped + "\n\n| t"));
    EXPECT_THAT(written, HasSubstr("| " + escaped + " |\n"));
    EXPECT_THAT(written, testing::EndsWith("\n\n" + escaped + "\n"));
  }
}

TEST(Csv, KeepsTextsFromBeingFormulasAndNumbersAsTheyAre) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"=HYPERLINK(1)", "'=HYPERLINK(1)"},
      {"+1", "'+1"},
      {"-2+3", "'-2+3"},
      {"@SUM(A1)", "'@SUM(A1)"},
      {"'=1", "''=1"},
      {"a=b", "a=b"},
      {"\t=1", "\\t=1"},
      {"\r=1", "\\r=1"},
      {"=1,2", "\"'=1,2\""},
  };
  for (const auto& [text, cell] : cases) EXPECT_EQ(Csv({{"a"}, {{text}}}), "a\n" + cell + "\n");
  EXPECT_EQ(Csv({{"a", "b"}, {{int64_t{-3}, -0.5}}}), "a,b\n-3,-0.5\n");
  EXPECT_EQ(Csv({{"a"}, {{std::map<std::string, std::string>{{"@k", "v"}}}}}), "a\n'@k=v\n");
}

TEST(Csv, HasEveryColumnInFullPrecision) { ExpectGolden("runs.csv", Written(kCsv, MixedCells())); }

TEST(Csv, OfNothingIsTheHeader) {
  const std::string csv = Written(kCsv, {});
  EXPECT_EQ(csv.find('\n'), csv.size() - 1);
  EXPECT_THAT(csv, testing::StartsWith("run_id,job_id,sweep_id,user,device,"));
}

TEST(Csv, QuotesWhatMustBeQuoted) {
  const std::string csv = Csv({{"a", "b"},
                               {{std::string("x,y"), std::string("say \"hi\"")},
                                {std::string("two\nlines"), std::string(" space")}}});
  EXPECT_EQ(csv, "a,b\n\"x,y\",\"say \"\"hi\"\"\"\ntwo\\nlines,\" space\"\n");
}

TEST(Csv, LeavesUnknownNumbersEmpty) {
  EXPECT_EQ(Csv({{"a", "b", "c"}, {{Value(), uint64_t{0}, 0.1}}}), "a,b,c\n,0,0.1\n");
}

TEST(Json, HasTheSameKeysAndNullForUnknown) {
  ExpectGolden("runs.json", Written(kJson, MixedCells()));
  ExpectGolden("runs.jsonl", Written(kJsonLines, MixedCells()));
}

TEST(Json, OfNothingIsAnEmptyArray) {
  EXPECT_EQ(Written(kJson, {}), "[]\n");
  EXPECT_EQ(Written(kJsonLines, {}), "");
}

TEST(Json, SurvivesTextThatIsNotUtf8) {
  v1::Run run = SmallRun();
  run.set_device_model("\xff\xfe");
  EXPECT_THAT(Written(kJson, {run}), HasSubstr("\"device_model\":\"\xEF\xBF\xBD"));
}

TEST(Units, AreConvertedWhereNamesSaySo) {
  const Sheet sheet = RunSheet({SmallRun(), SkippedRun()}, RunColumns());
  const auto value = [&](size_t row, const std::string& name) {
    for (size_t i = 0; i < sheet.names.size(); ++i) {
      if (sheet.names[i] == name) return ValueText(sheet.rows[row][i]);
    }
    return std::string("no such column");
  };
  EXPECT_EQ(value(0, "forward_mean_ms"), "152.3");
  EXPECT_EQ(value(0, "duration_s"), "9.87654321");
  EXPECT_EQ(value(0, "started_at"), "2026-01-31T12:00:00.123456Z");
  EXPECT_EQ(value(0, "peak_allocated_bytes"), "1867512345");
  EXPECT_EQ(value(0, "launch"), "0");
  EXPECT_EQ(value(0, "labels"), "card=A,B;why=say \"hi\"");
  EXPECT_EQ(value(1, "started_at"), "");
  EXPECT_EQ(value(1, "duration_s"), "");
  EXPECT_EQ(value(1, "threads"), "");
  EXPECT_EQ(value(1, "forward_mean_ms"), "");
}

TEST(Columns, ThatScriptsRelyOnAreThereInTheOrderOfTheManual) {
  std::vector<std::string> expected = {"run_id",
                                       "job_id",
                                       "sweep_id",
                                       "user",
                                       "device",
                                       "device_uuid",
                                       "edition",
                                       "model_size",
                                       "parameters",
                                       "pass_type",
                                       "timing",
                                       "precision",
                                       "attention",
                                       "optimizer",
                                       "requested_batch_size",
                                       "requested_context_length",
                                       "batch_size",
                                       "context_length",
                                       "warmup_steps",
                                       "measure_steps",
                                       "launch",
                                       "purpose",
                                       "outcome",
                                       "validity",
                                       "started_at",
                                       "duration_s"};
  for (const std::string phase : {"forward", "loss", "backward", "optimizer", "step"}) {
    for (const char* number :
         {"_mean_ms", "_std_ms", "_median_ms", "_min_ms", "_max_ms", "_p95_ms", "_cv"}) {
      expected.push_back(phase + number);
    }
  }
  for (const char* name :
       {"backward_forward_ratio", "tokens_per_s", "flops_per_s", "matmul_peak_ratio", "mfu",
        "peak_allocated_bytes", "peak_reserved_bytes", "workload_hash", "series_key",
        "environment_hash", "labels"}) {
    expected.push_back(name);
  }
  std::vector<std::string> names = RunSheet({}, RunColumns()).names;
  names.resize(expected.size());
  EXPECT_THAT(names, testing::ElementsAreArray(expected));
}

TEST(RunList, HasALineARun) {
  ExpectGolden("runs_list.table", Printed(kTable, ListRuns(MixedCells(), {})));
}

TEST(Formats, TellOfARunWhoseDeviceDidNotSettle) {
  for (const Format& format : {kTable, kMarkdown, kWriteup, kLatex, kTypst}) {
    EXPECT_THAT(Written(format, {RunThatGaveUp()}), HasSubstr("settings-missing")) << format.name;
  }
}

TEST(RunList, TellsOfACleanRunWhoseDeviceDidNotSettle) {
  const std::string list = Printed(kTable, ListRuns({RunThatGaveUp()}, {}, /*wide=*/true));
  EXPECT_THAT(list, HasSubstr("71 C, gave up; settings-missing"));
}

TEST(RunList, WideHasEveryColumn) {
  ExpectGolden("runs_wide.table", Printed(kTable, ListRuns(MixedCells(), {}, /*wide=*/true)));
}

size_t LongestLine(const std::string& text) {
  std::istringstream lines(text);
  size_t longest = 0;
  for (std::string line; std::getline(lines, line);) {
    longest = std::max(longest, DisplayWidth(line));
  }
  return longest;
}

// Whatever the runs are.
TEST(RunList, FitsIntoEightyColumns) {
  std::vector<v1::Run> runs = MixedCells();
  EXPECT_LE(LongestLine(Printed(kTable, ListRuns(runs, {}))), 80U);
  v1::Run run = SmallRun();
  run.set_run_id("1234567.12");
  run.set_sweep_name("a sweep whose name says all that there is to say of it, and some more");
  run.set_user("somebody-with-a-long-name");
  run.set_device("cuda:0");
  run.set_purpose(v1::PURPOSE_WARMUP);
  run.set_validity(v1::VALIDITY_CONTAMINATED);
  ModelOf(&run)->clear_preset();
  ModelOf(&run)->set_vocab_size(123'456);
  runs.push_back(run);
  run.set_started_at_ns(run.started_at_ns() + 86'400'000'000'000);
  runs.push_back(run);
  const std::string table = Printed(kTable, ListRuns(runs, {}));
  EXPECT_LE(LongestLine(table), 80U) << table;
  for (const char* what : {"| run ", "| step (ms) ", "| OUT_OF_MEMORY ", "| verdict ",
                           "contaminated", "1234567.12", "--wide also shows:"}) {
    EXPECT_THAT(table, HasSubstr(what));
  }
  EXPECT_LE(LongestLine(Printed(kTable, ListRuns({run}, {}))), 80U);
}

// Two rows of a sweep, with ids and times of their own.
std::vector<v1::Run> TwoRuns(const std::function<void(v1::Run*)>& change) {
  std::vector<v1::Run> runs(2, SmallRun());
  for (v1::Run& run : runs) run.set_validity(v1::VALIDITY_CLEAN);
  runs[1].set_run_id("18.1");
  runs[1].set_started_at_ns(runs[1].started_at_ns() + 60'000'000'000);
  SetPhase(123.4, 5.6, runs[1].mutable_step());
  change(&runs[1]);
  return runs;
}

// The heading, which is before the first bar, and the table.
std::pair<std::string, std::string> Parts(const std::vector<v1::Run>& runs) {
  const std::string text = Printed(kTable, ListRuns(runs, {}));
  EXPECT_LE(LongestLine(text), 80U) << text;
  const size_t bar = text.find('|');
  return {text.substr(0, bar), text.substr(bar)};
}

TEST(RunList, KeepsWhatDiffersAndSaysTheRestAbove) {
  struct Case {
    const char* title;
    const char* value;
    std::function<void(v1::Run*)> change;
  };
  const Case cases[] = {
      {"| precision ", "| bf16 ",
       [](v1::Run* run) { ModelOf(run)->set_precision(v1::PRECISION_BF16); }},
      {"| pass ", "| train-step ",
       [](v1::Run* run) { ModelOf(run)->set_pass_type(v1::PASS_TYPE_TRAIN_STEP); }},
      {"| batch ", "| 12 ", [](v1::Run* run) { ModelOf(run)->set_batch_size(12); }},
      {"| context ", "| 512 ", [](v1::Run* run) { ModelOf(run)->set_context_length(512); }},
      {"| attention ", "| sdpa ",
       [](v1::Run* run) { ModelOf(run)->set_attention(v1::ATTENTION_SDPA); }},
      {"| warm-up ", "| 17 ", [](v1::Run* run) { run->mutable_plan()->set_warmup_steps(17); }},
      {"| device ", "| cuda:0 ", [](v1::Run* run) { run->set_device("cuda:0"); }},
      {"| user ", "| bob ", [](v1::Run* run) { run->set_user("bob"); }},
  };
  for (const Case& one : cases) {
    const auto [heading, table] = Parts(TwoRuns(one.change));
    EXPECT_THAT(table, HasSubstr(one.title));
    EXPECT_THAT(table, HasSubstr(one.value));
    EXPECT_THAT(heading, HasSubstr("size small"));
    EXPECT_THAT(heading, HasSubstr("verdict clean"));
    EXPECT_THAT(table, Not(HasSubstr("also shows"))) << "what is the same everywhere is above";
  }
}

TEST(RunList, OfTwoPassesInTwoPrecisionsShowsBothAndTheVerdicts) {
  std::vector<v1::Run> runs = TwoRuns([](v1::Run* run) {
    ModelOf(run)->set_precision(v1::PRECISION_BF16);
    run->set_validity(v1::VALIDITY_CONTAMINATED);
  });
  runs.push_back(ForwardRun());
  const auto [heading, table] = Parts(runs);
  for (const char* what : {"| precision ", "| bf16 ", "| pass ", "| forward (no", "| forward-b",
                           "| verdict ", "| contaminated ", "| clean ", "| 123.4 ± 5.6 "}) {
    EXPECT_THAT(table, HasSubstr(what));
  }
}

TEST(RunList, ThatHasNoRoomForOneColumnUsesItForTheNext) {
  std::vector<v1::Run> runs = TwoRuns([](v1::Run* run) {
    *run = DisturbedRun();
    run->set_run_id("12345.1");
    run->set_sweep_id(4);
    ModelOf(run)->clear_preset();
    ModelOf(run)->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
    ModelOf(run)->set_precision(v1::PRECISION_BF16);
    ModelOf(run)->set_batch_size(12);
  });
  const auto [heading, table] = Parts(runs);
  EXPECT_THAT(table, Not(HasSubstr("| pass ")));
  EXPECT_THAT(table, HasSubstr("| precision "));
  EXPECT_THAT(table, HasSubstr("--wide also shows: note, sweep, batch, pass\n"));
}

TEST(RunList, OfNothingIsNothingInEveryFormatForPeople) {
  for (const bool wide : {false, true}) {
    EXPECT_EQ(Printed(kTable, ListRuns({}, {}, wide)), "");
    EXPECT_EQ(Printed(kMarkdown, ListRuns({}, {}, wide)), "");
    EXPECT_EQ(Printed(kWriteup, ListRuns({}, {}, wide)), "");
  }
}

v1::Sweep SweepOf(uint32_t failed, uint32_t succeeded, uint32_t clean, uint32_t contaminated) {
  v1::Sweep sweep;
  sweep.set_sweep_id(12345);
  sweep.set_name("a name that says all that there is to say of this sweep");
  sweep.set_user("ann");
  sweep.set_submitted_at_ns(1'769'860'800'000'000'000);
  sweep.set_purpose(v1::PURPOSE_MEASURE);
  sweep.set_failed_jobs(failed);
  sweep.set_succeeded_jobs(succeeded);
  sweep.set_clean_runs(clean);
  sweep.set_contaminated_runs(contaminated);
  return sweep;
}

TEST(SweepList, HasWhatIsBadFirstAndNeverCutsIt) {
  const std::vector<v1::Sweep> sweeps = {SweepOf(4, 2, 1, 7), SweepOf(0, 8, 8, 0)};
  const std::string table = Printed(kTable, ListSweeps(sweeps, /*in_short=*/true));
  EXPECT_THAT(table, HasSubstr("| 4 failed of 6 "));
  EXPECT_THAT(table, HasSubstr("| 7 contaminated of 8 "));
  EXPECT_THAT(table, HasSubstr("| 8 succeeded "));
  EXPECT_THAT(table, HasSubstr("| 8 clean "));
  EXPECT_THAT(table, HasSubstr("…")) << "a name may be cut";
  EXPECT_LE(LongestLine(table), 80U) << table;
}

TEST(SweepList, InAPipeLeavesNothingOut) {
  v1::Sweep sweep = SweepOf(4, 2, 1, 7);
  sweep.set_cancelled_jobs(1);
  sweep.set_running_jobs(1);
  sweep.set_queued_jobs(3);
  sweep.set_suspect_runs(2);
  sweep.set_unverified_runs(5);
  const std::string table = Printed(kTable, ListSweeps({sweep}, /*in_short=*/false));
  EXPECT_THAT(table, HasSubstr("| " + sweep.name() + " |"));
  EXPECT_THAT(table, HasSubstr("| 4 failed, 1 cancelled, 1 running, 3 queued, 2 succeeded |"));
  EXPECT_THAT(table, HasSubstr("| 7 contaminated, 2 suspect, 5 unverified, 1 clean |"));
  EXPECT_THAT(Printed(kTable, ListSweeps({SweepOf(0, 0, 0, 0)}, false)), HasSubstr("| -    | -"));
}

// `small`, batch 4, contexts 128, 256 and 512, in ascending order as the daemon sends them.
v1::Sweep ContextsOfSmall() {
  v1::Sweep sweep = SweepOf(0, 3, 3, 0);
  sweep.clear_name();
  sweep.add_models()->set_preset("small");
  sweep.add_pass_types(v1::PASS_TYPE_FORWARD_BACKWARD);
  sweep.add_batch_sizes(4);
  for (const uint32_t context : {128u, 256u, 512u}) sweep.add_context_lengths(context);
  sweep.add_precisions(v1::PRECISION_FP32);
  sweep.add_attentions(v1::ATTENTION_EXPLICIT);
  sweep.add_warmup_steps(5);
  return sweep;
}

std::string WhatInCsv(const v1::Sweep& sweep) {
  const std::string csv = Printed(kCsv, ListSweeps({sweep}, /*in_short=*/true));
  const std::string counts = ",measure,0,0,3,0,0,3,0,0,0,";
  const size_t begin = csv.find(counts) + counts.size();
  return csv.substr(begin, csv.size() - 1 - begin);
}

TEST(SweepList, SaysWhatWasMeasuredInFull) {
  v1::Sweep sweep = ContextsOfSmall();
  EXPECT_EQ(WhatInCsv(sweep), "small; forward-backward; batch 4; context 128 256 512");
  sweep.add_models()->set_preset("medium");
  sweep.add_batch_sizes(8);
  EXPECT_EQ(WhatInCsv(sweep),
            "\"small, medium; forward-backward; batch 4 8; context 128 256 512\"");
  sweep.mutable_models()->RemoveLast();
  sweep.set_pass_types(0, v1::PASS_TYPE_FORWARD);
  sweep.add_pass_types(v1::PASS_TYPE_TRAIN_STEP);
  sweep.add_precisions(v1::PRECISION_BF16);
  sweep.set_attentions(0, v1::ATTENTION_SDPA);
  sweep.add_optimizers(v1::OPTIMIZER_FUSED);
  sweep.set_warmup_steps(0, 0);
  sweep.add_warmup_steps(5);
  EXPECT_EQ(WhatInCsv(sweep),
            "small; forward train-step; batch 4 8; context 128 256 512; fp32 bf16; sdpa; fused; "
            "warm-up 0 5");
  v1::TransformerLm* model = sweep.mutable_models(0);
  model->clear_preset();
  model->set_layers(2);
  model->set_heads(4);
  model->set_d_model(64);
  model->set_d_ff(128);
  EXPECT_THAT(WhatInCsv(sweep), testing::StartsWith("L2 h4 d64 f128; forward"));
}

TEST(SweepList, SaysARangeWhereValuesMayBeLeftOut) {
  v1::Sweep sweep = ContextsOfSmall();
  sweep.clear_context_lengths();
  for (uint32_t i = 1; i <= 19; ++i) sweep.add_context_lengths(i);
  EXPECT_THAT(WhatInCsv(sweep),
              HasSubstr("context 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19"));
  sweep.add_context_lengths(900);
  EXPECT_THAT(WhatInCsv(sweep), HasSubstr("context 1..900"));
}

TEST(SweepList, OnATerminalSaysFirstWhatVaries) {
  v1::Sweep sweep = ContextsOfSmall();
  const auto table = [](const v1::Sweep& s) { return Printed(kTable, ListSweeps({s}, true)); };
  EXPECT_THAT(table(sweep), HasSubstr("| context 128 256 512; small; …"));
  EXPECT_THAT(table(sweep), Not(HasSubstr("name"))) << "no sweep has one";
  EXPECT_LE(LongestLine(table(sweep)), 80U) << table(sweep);
  sweep.add_context_lengths(1024);
  EXPECT_THAT(table(sweep), HasSubstr("| context 128..1024; small; ba…"));
  sweep.clear_context_lengths();
  sweep.add_context_lengths(64);
  for (const char* size : {"medium", "large", "xl"}) sweep.add_models()->set_preset(size);
  EXPECT_THAT(table(sweep), HasSubstr("| small..xl; batch 4; context …"));
}

TEST(SweepList, WithoutRoomForTheTimeSaysWhereItIs) {
  v1::Sweep sweep = SweepOf(4, 2, 1, 7);
  sweep.add_models()->set_preset("small");
  sweep.add_batch_sizes(4);
  const std::string table = Printed(kTable, ListSweeps({sweep}, /*in_short=*/true));
  EXPECT_THAT(table, HasSubstr("| small; batch 4 |"));
  EXPECT_THAT(table, HasSubstr("--wide also shows: submitted\n"));
  EXPECT_LE(LongestLine(table), 80U) << table;
}

TEST(SweepList, OfACalibrationAndOfAnOlderDaemonHasNoSizes) {
  v1::Sweep sweep = SweepOf(0, 1, 0, 0);
  EXPECT_THAT(Printed(kTable, ListSweeps({sweep}, false)), HasSubstr(" | -    | 1 succeeded |"));
  EXPECT_THAT(Printed(kJson, ListSweeps({sweep}, false)), HasSubstr("\"what\":null"));
  sweep.set_purpose(v1::PURPOSE_CALIBRATE);
  EXPECT_THAT(Printed(kTable, ListSweeps({sweep}, false)), HasSubstr("| the device's own speed |"));
}

TEST(Writeup, SaysItsConditionsFirstAndLastWhatItsNumbersAre) {
  const std::string text = Written(kWriteup, ContextSweep());
  EXPECT_THAT(text, testing::StartsWith("cs336-2025, small (128.6M), forward-backward, separate "
                                        "timing (host clock), batch 4, fp32, explicit attention, "
                                        "5 warm-up + 10 steps, cpu0\n\nsmall model"));
  EXPECT_THAT(text, testing::EndsWith("\n\n± is the standard deviation of the measured steps, not "
                                      "of the mean; CV is ± over the mean; cpu0: Example CPU, 4 "
                                      "cores\n"));
  EXPECT_EQ(Printed(kWriteup, ListRuns(ContextSweep(), {})), text);
  v1::Run pooled = SmallRun();
  pooled.set_pooled_launches(3);
  EXPECT_THAT(Written(kWriteup, {pooled}),
              HasSubstr("times are means of the launches' medians, ± is the standard deviation"));
}

TEST(Rows, OfJsonAreTheTextOfTheLibrary) {
  Sheet sheet{{"a", "b\"", "c", "d", "e", "f", "g"},
              {{Value(), true, std::string("say \"hi\"\n\xff"), int64_t{-5}, uint64_t{7}, 2.0,
                std::map<std::string, std::string>{{"k", "v"}}},
               {1e300, 1e-7, std::string(), std::string("plain"), 0.1, -0.0, 1e16}}};
  Document document;
  document.rows = RowsOf(sheet);
  EXPECT_EQ(Printed(kJsonLines, document),
            "{\"a\":null,\"b\\\"\":true,\"c\":\"say \\\"hi\\\"\\n\xEF\xBF\xBD\",\"d\":-5,\"e\":7,"
            "\"f\":2.0,\"g\":{\"k\":\"v\"}}\n"
            "{\"a\":1e+300,\"b\\\"\":1e-07,\"c\":\"\",\"d\":\"plain\",\"e\":0.1,\"f\":-0.0,"
            "\"g\":1e+16}\n");
}

TEST(RunList, OfChosenColumnsShowsThemAlone) {
  const auto& all = RunColumns();
  const std::string table = Printed(kTable, ListRuns({SmallRun()}, {all[0], all.back()}));
  EXPECT_THAT(table, testing::StartsWith("| run id | " + all.back().shown_name));
  EXPECT_THAT(table, HasSubstr("| 17.1   |"));
}

v1::Job JobWithAttempts() {
  v1::Job job = SmallJob(20, v1::JOB_STATE_FAILED);
  job.set_sweep_name("nightly");
  job.set_device("cpu0");
  job.set_reason("out of memory at the smallest size");
  job.set_started_at_ns(job.submitted_at_ns() + 1'000'000'000);
  job.set_finished_at_ns(job.submitted_at_ns() + 5'000'000'000);
  (*job.mutable_spec()->mutable_labels())["card"] = "A";
  *job.add_runs() = OutOfMemoryRun();
  *job.add_runs() = SkippedRun();
  *job.add_runs() = SmallRun();
  return job;
}

TEST(Show, OfAJobListsEachAttemptWithBytesAskedAndFree) {
  ExpectGolden("show_job.txt", Printed(kTable, ShowJob(JobWithAttempts(), {SmallRun()})));
}

TEST(Show, OfAJobIsOneJsonObjectWithItsRuns) {
  ExpectGolden("show_job.json", Printed(kJson, ShowJob(JobWithAttempts(), {SmallRun()})));
}

TEST(Show, OfAWaitingJobSaysWhy) {
  v1::Job job = SmallJob(17, v1::JOB_STATE_QUEUED);
  job.mutable_wait()->set_code(v1::WaitReason::CODE_BEHIND);
  job.mutable_wait()->set_jobs_ahead(3);
  EXPECT_THAT(Printed(kTable, ShowJob(job, {})), HasSubstr("waits        behind 3 jobs\n"));
}

RunDetails DetailedRun() {
  RunDetails run;
  *run.detail.mutable_run() = SmallRun();
  v1::Environment* environment = run.detail.mutable_environment();
  environment->set_environment_hash("0123456789abcdef0123456789abcdef");
  environment->set_torchlap_version("0.1.0");
  environment->set_torch_version("2.11.0");
  environment->set_kernel("6.1.0");
  environment->set_cpu_model("Example CPU, 4 cores");
  environment->set_threads(2);
  (*environment->mutable_variables())["OMP_NUM_THREADS"] = "2";
  run.detail.mutable_readings()->set_load_average(0.25);
  for (const uint32_t first : {0u, 2u}) {
    v1::SampleBlock& block = run.samples.emplace_back();
    block.set_first_step(first);
    block.set_warmup_steps(1);
    for (int i = 0; i < 2; ++i) {
      block.add_start_ns(1000 + i);
      block.add_forward_ns(152'000'001 + i);
      block.add_backward_ns(305'000'000 + i);
      block.add_step_ns(458'000'000 + i);
    }
  }
  return run;
}

TEST(Show, OfARunHasSamplesAndEnvironment) {
  ExpectGolden("show_run.txt", Printed(kTable, ShowRun(DetailedRun())));
  ExpectGolden("show_run.json", Printed(kJson, ShowRun(DetailedRun())));
}

RunDetails JudgedRun() {
  RunDetails details = DetailedRun();
  v1::Run* run = details.detail.mutable_run();
  *run = DisturbedRun();
  run->set_actual_warmup_steps(5);
  run->set_actual_measure_steps(10);
  run->set_stop_reason(v1::STOP_REASON_COUNT);
  run->set_settles_at_step(3);
  run->set_cold_steady_ratio(5.2);
  run->set_backward_forward_low(1.97);
  run->set_backward_forward_high(2.04);
  run->set_matmul_peak_ratio(0.41);
  run->set_calibration_run_id("9.1");
  run->set_contaminated_tries(2);
  run->mutable_step()->set_median_low_ns(450.1e6);
  run->mutable_step()->set_median_high_ns(466.4e6);
  run->mutable_step()->set_outliers(1);
  v1::Numerics* numerics = run->mutable_numerics();
  numerics->set_fp32_matmul("ieee");
  numerics->set_autocast("off");
  numerics->set_weights("float32");
  numerics->set_instructions("native");
  v1::DeviceSummary* device = run->mutable_device_summary();
  device->set_energy_per_step_j(117.25);
  device->set_energy_per_token_mj(114.5);
  device->set_energy_source(v1::ENERGY_SOURCE_INTEGRATED);
  device->set_power_mean_watts(251.5);
  device->set_power_peak_watts(299.75);
  device->set_sm_clock_mean_mhz(1410.5);
  device->set_sm_clock_peak_mhz(1755);
  device->set_temperature_mean_celsius(61.5);
  device->set_temperature_peak_celsius(64);
  v1::Environment* environment = details.detail.mutable_environment();
  environment->set_gpu_power_limit_mw(300'000);
  environment->set_gpu_ecc("on");
  environment->set_gpu_persistence("off");
  environment->set_gpu_compute_mode("default");
  environment->set_gpu_application_mhz(1410);
  environment->set_gpu_application_memory_mhz(1215);
  environment->set_mig_profile("1g.5gb");
  environment->set_pcie_generation(4);
  environment->set_pcie_width(16);
  v1::Advice* advice = run->mutable_assessment()->add_advice();
  advice->set_code(v1::ADVICE_NEIGHBOUR);
  advice->set_text("stress-ng (pid 812, ann)");
  advice->set_ratio(0.34);
  v1::MemoryParts* parts = run->mutable_assessment()->mutable_memory();
  parts->set_weights_bytes(514'501'632);
  parts->set_gradients_bytes(514'501'632);
  parts->set_activations_bytes(838'509'081);
  v1::Readings* readings = details.detail.mutable_readings();
  readings->set_neighbour_pid(812);
  readings->set_neighbour_process("stress-ng");
  readings->set_neighbour_user("ann");
  readings->set_neighbour_cpu_ns(1'560'000'000);
  for (int i = 0; i < 2; ++i) {
    v1::DeviceReading* reading = readings->add_device();
    reading->set_at_ns(1'000'000'000 + i * 500'000'000);
    reading->set_sm_mhz(1410);
    reading->set_power_watts(251.5);
    reading->set_utilisation_ratio(0.97);
    reading->set_throttle_reasons(4);
    reading->set_energy_mj(1000);
  }
  for (v1::SampleBlock& block : details.samples) {
    for (int i = 0; i < 2; ++i) block.add_foreign_cpu_ns(10'000'000 * (i + 1));
  }
  return details;
}

TEST(Show, OfARunHasTheVerdictItsEvidenceAndWhatWasInForce) {
  ExpectGolden("show_judged.txt", Printed(kTable, ShowRun(JudgedRun())));
  ExpectGolden("show_judged.json", Printed(kJson, ShowRun(JudgedRun())));
}

TEST(Queue, SaysWhyEachJobWaits) {
  v1::Job waiting = SmallJob(18, v1::JOB_STATE_QUEUED);
  waiting.mutable_wait()->set_code(v1::WaitReason::CODE_BEHIND);
  waiting.mutable_wait()->set_jobs_ahead(1);
  v1::Job running = SmallJob(17, v1::JOB_STATE_RUNNING);
  running.set_device("cpu0");
  const Document listing = ListQueue({running, waiting}, 0);
  ExpectGolden("queue.table", Printed(kTable, listing));
  ExpectGolden("queue.json", Printed(kJson, listing));
  EXPECT_EQ(Printed(kJson, ListQueue({}, 0)), "[]\n");
}

TEST(Queue, OfARunningJobSaysHowLongOrThatItIsNotStored) {
  constexpr int64_t kStartNs = 1'700'000'000'000'000'000;
  v1::Job running = SmallJob(17, v1::JOB_STATE_RUNNING);
  running.set_device("cpu0");
  running.set_started_at_ns(kStartNs);
  EXPECT_THAT(Printed(kTable, ListQueue({running}, kStartNs + 125'000'000'000)),
              testing::HasSubstr("| runs on cpu0 for 2 min 5 s |"));
  EXPECT_THAT(Printed(kTable, ListQueue({running}, kStartNs - 1)),
              testing::HasSubstr("| runs on cpu0 |"))
      << "a clock that was set back";
  running.set_not_stored("the disk is full");
  EXPECT_THAT(Printed(kTable, ListQueue({running}, kStartNs + 1)),
              testing::HasSubstr("| finished, not stored yet: the disk is full |"));
  EXPECT_THAT(Printed(kTable, ShowJob(running, {})),
              testing::HasSubstr("finished, not stored yet: the disk is full"));
}

// What a private daemon tells of another's jobs.
v1::Job Outline(uint64_t job_id, v1::JobState state) {
  v1::Job job;
  job.set_job_id(job_id);
  job.set_user("ann");
  job.set_state(state);
  job.set_submitted_at_ns(1'700'000'000'000'000'000);
  return job;
}

TEST(Queue, OfAnOutlineSaysNothingThatItDoesNotKnow) {
  v1::Job running = Outline(17, v1::JOB_STATE_RUNNING);
  running.set_device("cpu0");
  v1::Job waiting = Outline(18, v1::JOB_STATE_QUEUED);
  waiting.mutable_wait()->set_code(v1::WaitReason::CODE_BEHIND);
  waiting.mutable_wait()->set_jobs_ahead(2);
  const Document listing = ListQueue({running, waiting}, 0);
  const std::string table = Printed(kTable, listing);
  for (const char* absent : {"L0", "h0", "d0", "| 0"}) {
    EXPECT_THAT(table, testing::Not(testing::HasSubstr(absent)));
  }
  EXPECT_THAT(table, testing::HasSubstr("runs on cpu0"));
  EXPECT_THAT(table, testing::HasSubstr("behind 2 jobs"));
  const std::string json = Printed(kJson, listing);
  EXPECT_THAT(json, HasSubstr(R"({"job_id":17,"sweep_id":null,"sweep_name":null,"user":"ann",)"
                              R"("state":"RUNNING","priority":null,"edition":null,)"));
  for (const char* unknown : {"model_size", "parameters", "pass_type", "precision", "attention",
                              "batch_size", "context_length", "launches", "launches_done"}) {
    EXPECT_THAT(json, HasSubstr("\"" + std::string(unknown) + "\":null"));
  }
}

TEST(Queue, CountsTheTimeOfTheRunThatGoesOn) {
  constexpr int64_t kStartNs = 1'700'000'000'000'000'000;
  constexpr int64_t kHourNs = 3'600'000'000'000;
  v1::Job job = SmallJob(17, v1::JOB_STATE_RUNNING);
  job.mutable_spec()->mutable_plan()->set_launches(1);
  job.set_device("cpu0");
  job.set_started_at_ns(kStartNs);
  job.set_run_started_at_ns(kStartNs + kHourNs);
  job.set_tries(1);
  const auto table = [&] {
    return Printed(kTable, ListQueue({job}, kStartNs + kHourNs + 65'000'000'000));
  };
  EXPECT_THAT(table(), HasSubstr("| runs on cpu0 for 1 min 5 s |"));
  job.set_tries(2);
  EXPECT_THAT(table(), HasSubstr("| runs on cpu0 for 1 min 5 s (2nd try) |"));
  job.set_tries(3);
  job.mutable_spec()->mutable_plan()->set_launches(5);
  EXPECT_THAT(table(), HasSubstr("| runs on cpu0 for 1 min 5 s (launch 1 of 5, 3rd try) |"));
  job.set_launch(4);
  job.set_tries(1);
  EXPECT_THAT(table(), HasSubstr("| runs on cpu0 for 1 min 5 s (launch 5 of 5) |"));
  job.set_launch(5);
  EXPECT_THAT(table(), HasSubstr("| runs on cpu0 for 1 min 5 s |")) << "a trace is no launch";
  job.set_tries(0);
  job.set_launch(0);
  job.clear_run_started_at_ns();
  EXPECT_THAT(table(), HasSubstr("| runs on cpu0 for 1 h 1 min |")) << "an older daemon";
  job.set_run_started_at_ns(kStartNs + kHourNs);
  EXPECT_THAT(Printed(kJson, ListQueue({job}, 0)),
              HasSubstr("\"run_started_at\":\"2023-11-14T23:13:20.000000Z\""));
}

TEST(Devices, SayWhoseRunIsOnThem) {
  v1::Device device;
  device.set_name("cpu0");
  device.set_state(v1::DEVICE_STATE_RUNNING);
  device.set_run_id("17.2");
  device.set_user("ann");
  EXPECT_THAT(Printed(kTable, ListDevices({device})), testing::HasSubstr("| 17.2 | ann  |"));
}

TEST(Queue, WordsEveryReason) {
  const auto words = [](v1::WaitReason::Code code) {
    v1::WaitReason wait;
    wait.set_code(code);
    wait.set_jobs_ahead(3);
    wait.set_device("cuda:0");
    wait.set_run_id("17.2");
    wait.set_pid(812);
    wait.set_user("ann");
    wait.set_detail("it fell off the bus");
    return WaitWords(wait);
  };
  EXPECT_EQ(words(v1::WaitReason::CODE_BEHIND), "behind 3 jobs");
  EXPECT_EQ(words(v1::WaitReason::CODE_RUNNING), "next on cuda:0, which runs 17.2");
  EXPECT_EQ(words(v1::WaitReason::CODE_CLAIMED), "cuda:0 claimed by pid 812, user ann");
  EXPECT_EQ(words(v1::WaitReason::CODE_UNAVAILABLE), "cuda:0 unavailable: it fell off the bus");
  EXPECT_EQ(words(v1::WaitReason::CODE_STARTING), "about to start");
  EXPECT_EQ(words(v1::WaitReason::CODE_BUSY), "cuda:0 busy: it fell off the bus");
}

TEST(Devices, ShowWhoClaimedThem) {
  v1::Device idle;
  idle.set_name("cpu0");
  idle.set_uuid("CPU-1-3");
  idle.set_kind(v1::DEVICE_KIND_CPU);
  idle.set_model("Example CPU, 4 cores");
  idle.set_cores("1-3");
  idle.set_memory_bytes(uint64_t{2} << 30);
  idle.set_state(v1::DEVICE_STATE_IDLE);
  v1::Device claimed = idle;
  claimed.set_name("cpu1");
  claimed.set_state(v1::DEVICE_STATE_CLAIMED);
  claimed.set_claimed_by_pid(812);
  claimed.set_claimed_by_user("bob");
  claimed.set_queued_jobs(2);
  const Document listing = ListDevices({idle, claimed});
  ExpectGolden("devices.table", Printed(kTable, listing));
  ExpectGolden("devices.json", Printed(kJson, listing));
}

TEST(Presets, ShowWhichEditionABareNameMeans) {
  v1::Preset preset;
  preset.set_edition("cs336-2025");
  preset.set_name("small");
  preset.set_vocab_size(10000);
  preset.set_d_model(768);
  preset.set_d_ff(3072);
  preset.set_layers(12);
  preset.set_heads(12);
  preset.set_parameters(128'625'408);
  preset.set_is_default(true);
  const Document listing = ListPresets({preset});
  ExpectGolden("presets.table", Printed(kTable, listing));
  ExpectGolden("presets.csv", Printed(kCsv, listing));
}

TEST(Status, IsALineAValue) {
  v1::GetDaemonStatusResponse status;
  status.set_version("0.1.0");
  status.set_pid(812);
  status.set_user("ann");
  status.set_started_at_ns(1'769'860'800'000'000'000);
  status.set_schema_version(1);
  ExpectGolden("status.table", Printed(kTable, ListStatus(status, "unix:/x")));
}

}  // namespace
}  // namespace torchlap::client::format
