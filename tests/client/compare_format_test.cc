// What `compare` makes of the daemon's answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "client/format/compare.h"
#include "client/format/words.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using format::Comparison;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

v1::Run SubjectWith(uint32_t context) {
  v1::Run run = SmallRun();
  run.set_requested_context_length(context);
  run.mutable_workload()->mutable_transformer_lm()->set_context_length(context);
  return run;
}

v1::ComparedPhase PhaseWith(v1::CompareVerdict verdict, double ratio) {
  v1::ComparedPhase phase;
  phase.set_a_ns(152.3e6);
  phase.set_b_ns(152.3e6 * ratio);
  phase.set_ratio(ratio);
  phase.set_low(ratio - 0.02);
  phase.set_high(ratio + 0.02);
  phase.set_verdict(verdict);
  phase.set_p(0.0041);
  phase.set_p_adjusted(0.012);
  phase.set_min_effect(0.01);
  return phase;
}

v1::ComparedCell CellWith(uint32_t context, v1::CompareVerdict verdict, double ratio) {
  v1::ComparedCell cell;
  *cell.mutable_subject() = SubjectWith(context);
  cell.mutable_a()->set_launches(7);
  cell.mutable_a()->add_run_ids("17.1");
  cell.mutable_a()->add_run_ids("17.2");
  cell.mutable_b()->set_launches(6);
  cell.mutable_b()->add_run_ids("18.1");
  *cell.add_phases() = PhaseWith(verdict, ratio);
  return cell;
}

v1::ComparedCell CellWithout(uint32_t context, v1::Incomparable why) {
  v1::ComparedCell cell;
  *cell.mutable_subject() = SubjectWith(context);
  cell.set_incomparable(why);
  return cell;
}

Comparison Of(const std::vector<v1::ComparedCell>& cells) {
  Comparison comparison;
  comparison.a = "sweep:3";
  comparison.b = "sweep:4";
  for (const v1::ComparedCell& cell : cells) comparison.cells.push_back({cell});
  return comparison;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Blanks that only align are one.
std::string Squeezed(const std::string& text) {
  std::string squeezed;
  for (const char c : text) {
    if (c != ' ' || squeezed.empty() || squeezed.back() != ' ') squeezed += c;
  }
  return squeezed;
}

// As a terminal shows it.
std::string Table(const Comparison& comparison) {
  return Squeezed(Printed(format::kTable, format::ShowComparison(comparison, /*in_short=*/true)));
}

void Differ(const std::string& name, const std::string& before, const std::string& after,
            v1::ComparedCell* cell) {
  v1::EnvironmentChange* change = cell->add_also_differs();
  change->set_name(name);
  change->set_before(before);
  change->set_after(after);
}

TEST(CompareTable, SaysWhichSideIsWhichAndHasARowForEachCell) {
  const std::string table = Table(Of({CellWith(128, v1::COMPARE_VERDICT_FASTER, 0.87),
                                      CellWith(256, v1::COMPARE_VERDICT_SLOWER, 1.04)}));
  EXPECT_THAT(table, StartsWith("A: sweep:3, B: sweep:4\n"
                                "ratio is B/A with its 95 % interval; below 1: B is faster\n"
                                "times are geometric means of the launches' medians\n\n"
                                "cs336-2025, small (128.6M), forward-backward"));
  EXPECT_THAT(table, HasSubstr("| context | A (ms) | B (ms) | ratio | verdict | launches |\n"));
  EXPECT_THAT(table, HasSubstr(" 152.3 | 132.5 | 0.87 [0.85, 0.89] | faster by 13 % |"));
  EXPECT_THAT(table, HasSubstr("| 1.04 [1.02, 1.06] | slower by 4 % |"));
  EXPECT_THAT(table, HasSubstr(" 7/6 "));
  EXPECT_THAT(table, HasSubstr("\n--format csv also has: p\n"));
  EXPECT_THAT(table, Not(HasSubstr("phase")));
}

TEST(CompareTable, NamesARowThatNothingElseNamesByItsSize) {
  const std::string table = Table(Of({CellWith(256, v1::COMPARE_VERDICT_SAME, 1.002)}));
  EXPECT_THAT(table, HasSubstr("| size | A (ms) |"));
  EXPECT_THAT(table, HasSubstr("| small |"));
  EXPECT_THAT(table, HasSubstr("| same (within 1 %) |"));
}

TEST(CompareTable, SaysWhyACellHasNoVerdict) {
  Comparison comparison = Of({CellWithout(128, v1::INCOMPARABLE_ONLY_A)});
  EXPECT_THAT(Table(comparison), HasSubstr("| - | - | - | not comparable: only in A | 0/0 |"));
  comparison.cells[0].cell.mutable_a()->set_launches(7);
  EXPECT_THAT(Table(comparison), Not(HasSubstr("times are"))) << "there is none";
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_INCONCLUSIVE, 1.01);
  comparison = Of({cell});
  EXPECT_EQ(VerdictWords(format::ComparedRows(comparison).front()), "inconclusive");
  cell.mutable_phases(0)->set_launches_to_decide(12);
  comparison = Of({cell});
  EXPECT_EQ(VerdictWords(format::ComparedRows(comparison).front()),
            "inconclusive: 12 launches a side would decide");
  // The table has no room for it.
  EXPECT_THAT(Table(comparison), HasSubstr("| inconclusive |"));
  EXPECT_THAT(Table(comparison), HasSubstr("\ninconclusive: 12 launches a side would decide\n"));
}

TEST(CompareTable, HasThePWhereThereIsRoom) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_SAME, 1);
  cell.mutable_phases(0)->clear_low();
  const std::string table = Table(Of({cell}));
  EXPECT_THAT(table, HasSubstr("| 1.00 | same (within 1 %) | 7/6 | 0.0041 |\n"));
  EXPECT_THAT(table, Not(HasSubstr("also has")));
}

TEST(CompareTable, LeavesOutReasonsBeforeIntervals) {
  const std::string table = Table(
      Of({CellWith(128, v1::COMPARE_VERDICT_FASTER, 0.87),
          CellWithout(256, v1::INCOMPARABLE_TIMING), CellWithout(512, v1::INCOMPARABLE_B_FAILED)}));
  EXPECT_THAT(table, HasSubstr("| 0.87 [0.85, 0.89] | faster by 13 % | 7/6 |"));
  EXPECT_THAT(table, HasSubstr("| - | - | - | other timing | 0/0 |"));
  EXPECT_THAT(table, HasSubstr("| - | - | - | B failed | 0/0 |"));
}

TEST(CompareTable, OfOneLaunchASideHasARatioWithoutAnInterval) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_INCONCLUSIVE, 0.87);
  v1::ComparedPhase* phase = cell.mutable_phases(0);
  phase->clear_low();
  phase->clear_high();
  phase->clear_p();
  phase->clear_p_adjusted();
  cell.mutable_a()->set_launches(1);
  cell.mutable_b()->set_launches(1);
  const Comparison comparison = Of({cell});
  const std::string table = Table(comparison);
  EXPECT_THAT(table, HasSubstr("| 152.3 | 132.5 | 0.87 | inconclusive | 1/1 |"));
  EXPECT_THAT(table, Not(HasSubstr("times are"))) << "there is one median";
  EXPECT_THAT(table, Not(HasSubstr("| p |")));
  EXPECT_THAT(format::ComparisonHints(comparison),
              ElementsAre("small: one launch on a side decides nothing, on both sides: torchlap "
                          "run --model-sizes small --launches 7 --device cpu0",
                          "run both sides again until there is a verdict: the same command with "
                          "--until-decided"));
}

Comparison OfOneLaunchBy(const std::string& by, const std::string& a, const std::string& b) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_INCONCLUSIVE, 0.87);
  cell.mutable_a()->set_launches(1);
  cell.mutable_a()->set_value(a);
  cell.mutable_b()->set_value(b);
  Comparison comparison = Of({cell});
  comparison.by = by;
  return comparison;
}

TEST(CompareHints, OfOneLaunchRunBothValuesOfAnAxis) {
  EXPECT_THAT(
      format::ComparisonHints(OfOneLaunchBy("precision", "fp32", "bf16")),
      ElementsAre("small, precision bf16: one launch on a side decides nothing, on both sides: "
                  "torchlap run --model-sizes small --precision fp32 bf16 --launches 7 --device "
                  "cpu0",
                  StartsWith("run both sides again")));
  EXPECT_THAT(format::ComparisonHints(OfOneLaunchBy("batch", "2", "4")),
              ElementsAre(HasSubstr(" --batch-size 2 4 "), HasSubstr("--until-decided")));
  EXPECT_THAT(format::ComparisonHints(OfOneLaunchBy("size", "small", "medium")),
              ElementsAre(HasSubstr("run --model-sizes small medium "), testing::_));
}

TEST(CompareHints, OfOneLaunchHaveNoCommandWhereNoneRunsBothSides) {
  for (const Comparison& comparison :
       {OfOneLaunchBy("driver", "570", "575"), OfOneLaunchBy("timing", "separate", "fused"),
        OfOneLaunchBy("size", "small", "L2 h2 d64 f128"), OfOneLaunchBy("host", "here", "b")}) {
    const format::Lines hints = format::ComparisonHints(comparison);
    ASSERT_EQ(hints.size(), 2U) << comparison.by;
    EXPECT_THAT(hints[0], testing::EndsWith(": one launch on a side decides nothing"));
    EXPECT_THAT(hints[1], testing::EndsWith("the same command with --until-decided"));
  }
}

TEST(CompareHints, NameTheWholeCommandWhereAnotherWasTyped) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_INCONCLUSIVE, 1.01);
  cell.mutable_b()->set_contaminated_launches(2);
  Comparison comparison = Of({cell});
  comparison.command = "torchlap compare sweep:3 sweep:4";
  EXPECT_THAT(format::ComparisonHints(comparison),
              ElementsAre("run both sides again until there is a verdict: torchlap compare sweep:3 "
                          "sweep:4 --until-decided"));
  EXPECT_THAT(format::ComparisonNotes(comparison, false),
              ElementsAre("contaminated launches left out: 2 of B (torchlap compare sweep:3 "
                          "sweep:4 --include-contaminated keeps them)"));
}

// Sizes, batches, contexts and phases at once, with the longest words.
Comparison Widest() {
  std::vector<v1::ComparedCell> cells;
  for (const uint32_t context : {256u, 1024u}) {
    v1::ComparedCell cell = CellWith(context, v1::COMPARE_VERDICT_INCONCLUSIVE, 1.02);
    cell.mutable_phases(0)->set_launches_to_decide(context);
    v1::ComparedPhase backward = PhaseWith(v1::COMPARE_VERDICT_SLOWER, 1.042);
    backward.set_phase(v1::PHASE_BACKWARD);
    *cell.add_phases() = backward;
    cells.push_back(cell);
  }
  v1::ComparedCell medium = CellWithout(256, v1::INCOMPARABLE_DEVICE_MODEL);
  medium.mutable_subject()->mutable_workload()->mutable_transformer_lm()->set_preset("medium");
  medium.mutable_subject()->set_requested_batch_size(128);
  cells.push_back(medium);
  Comparison comparison = Of(cells);
  comparison.phases.clear();
  return comparison;
}

TEST(CompareTable, FitsInto80ColumnsWhateverItsRowsSay) {
  const std::string text =
      Printed(format::kTable, format::ShowComparison(Widest(), /*in_short=*/true));
  size_t rows = 0;
  for (const std::string& line : LinesOf(text)) {
    if (line.rfind('|', 0) != 0) continue;
    ++rows;
    EXPECT_LE(format::DisplayWidth(line), 80u) << line;
  }
  EXPECT_EQ(rows, 7u) << "titles, rule, five rows";
  EXPECT_THAT(Squeezed(text), HasSubstr("| backward | 1.04 ± 0.02 | slower 4.2 % |"));
  EXPECT_THAT(text, HasSubstr("ratio is B/A ± half of its 95 % interval; below 1: B is faster\n"));
  EXPECT_THAT(text, Not(HasSubstr("times are"))) << "they are gone";
  EXPECT_THAT(text, HasSubstr("other device model"));
  EXPECT_THAT(text, HasSubstr("--format csv also has: p, launches, A (ms), B (ms)"));
  EXPECT_THAT(text, HasSubstr("inconclusive: 1024 launches a side would decide (small, batch 4, "
                              "context 1024)"));
}

TEST(CompareTable, OutsideATerminalHasEveryColumnInFull) {
  const format::Document document = format::ShowComparison(Widest(), /*in_short=*/false);
  for (const format::Format* format : {&format::kTable, &format::kMarkdown}) {
    const std::string text = Squeezed(Printed(*format, document));
    EXPECT_THAT(text, HasSubstr("| A (ms) | B (ms) | ratio | verdict | launches | p |\n"));
    EXPECT_THAT(text, HasSubstr("| backward | 152.3 | 158.7 | 1.04 [1.02, 1.06] | slower by 4.2 % "
                                "| 7/6 | 0.0041 |\n"));
    EXPECT_THAT(text, HasSubstr("| inconclusive: 1024 launches a side would decide | 7/6 |"));
    EXPECT_THAT(text, HasSubstr("| not comparable: other device model |"));
    EXPECT_THAT(text, Not(HasSubstr("also has")));
    EXPECT_THAT(text, Not(HasSubstr("would decide ("))) << "the row says it";
  }
  for (const format::Format* format : {&format::kLatex, &format::kTypst}) {
    const std::string text = Printed(*format, document);
    EXPECT_THAT(text, HasSubstr("0.0041"));
    EXPECT_THAT(text, HasSubstr("158.7"));
    EXPECT_THAT(text, HasSubstr("7/6"));
    EXPECT_THAT(text, Not(HasSubstr("also has")));
  }
}

TEST(CompareTable, OfAnAxisNamesTheOtherValuesAndNotThatOfA) {
  v1::ComparedCell bf16 = CellWith(256, v1::COMPARE_VERDICT_FASTER, 0.5);
  bf16.mutable_a()->set_value("fp32");
  bf16.mutable_b()->set_value("bf16");
  v1::ComparedCell fp16 = bf16;
  fp16.mutable_b()->set_value("fp16");
  Comparison comparison = Of({bf16, fp16});
  comparison.by = "precision";
  comparison.b.clear();
  const std::string table = Table(comparison);
  EXPECT_THAT(table, StartsWith("A: precision fp32, B: the others, in sweep:3\n"));
  EXPECT_THAT(table, HasSubstr("context 256, explicit attention")) << "no fp32 in between";
  EXPECT_THAT(table, HasSubstr("| precision | A (ms) |"));
  EXPECT_THAT(table, HasSubstr("| bf16 |"));
  EXPECT_THAT(table, HasSubstr("| fp16 |"));
  EXPECT_EQ(RowName(format::ComparedRows(comparison).back(), comparison), "small, precision fp16");
}

TEST(CompareTable, BySizeHasOneColumnOfSizes) {
  v1::ComparedCell medium = CellWith(256, v1::COMPARE_VERDICT_SLOWER, 2);
  medium.mutable_b()->set_value("medium");
  v1::ComparedCell large = CellWithout(256, v1::INCOMPARABLE_ONLY_B);
  large.mutable_subject()->mutable_workload()->mutable_transformer_lm()->set_preset("large");
  large.mutable_b()->set_value("large");
  Comparison comparison = Of({medium, large});
  comparison.by = "size";
  const std::string table = Table(comparison);
  EXPECT_THAT(table, HasSubstr("\n| size | A (ms) |"));
  EXPECT_THAT(table, HasSubstr("\n| medium | 152.3 |"));
  EXPECT_THAT(table, HasSubstr("\n| large | - |"));
}

TEST(CompareRows, AreOfTheWantedPhasesAndAtLeastOneACell) {
  Comparison comparison = Widest();
  EXPECT_EQ(format::ComparedRows(comparison).size(), 5u);
  comparison.phases = {v1::PHASE_UNSPECIFIED};
  EXPECT_EQ(format::ComparedRows(comparison).size(), 3u);
  comparison.phases = {v1::PHASE_OPTIMIZER};
  const auto rows = format::ComparedRows(comparison);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(VerdictWords(rows[0]), "not comparable: not timed");
  EXPECT_EQ(VerdictWords(rows[2]), "not comparable: other device model");
}

TEST(CompareNotes, SayOnceWhatDiffersInAllCells) {
  std::vector<v1::ComparedCell> cells = {CellWith(128, v1::COMPARE_VERDICT_SAME, 1),
                                         CellWith(256, v1::COMPARE_VERDICT_SAME, 1)};
  for (v1::ComparedCell& cell : cells) Differ("driver", "580.1", "580.9", &cell);
  EXPECT_THAT(format::ComparisonNotes(Of(cells), false),
              ElementsAre("also differs: driver 580.1 -> 580.9"));
  Differ("kernel", "", "6.1", &cells[1]);
  EXPECT_THAT(format::ComparisonNotes(Of(cells), false),
              ElementsAre("also differs: driver 580.1 -> 580.9 (small, context 128)",
                          "also differs: driver 580.1 -> 580.9, kernel unknown -> 6.1 (small, "
                          "context 256)"));
}

TEST(CompareNotes, DoNotSayOfAComparableCellWhatDiffersInAnother) {
  v1::ComparedCell other = CellWithout(512, v1::INCOMPARABLE_DEVICE_MODEL);
  Differ("driver", "580.1", "580.9", &other);
  EXPECT_THAT(
      format::ComparisonNotes(Of({CellWith(256, v1::COMPARE_VERDICT_SAME, 1), other}), false),
      ElementsAre("also differs: driver 580.1 -> 580.9 (small, context 512)"));
}

TEST(CompareNotes, SayOfASweepBesideItselfThatAndNoMore) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_INCONCLUSIVE, 1);
  *cell.mutable_b() = cell.a();
  cell.mutable_phases(0)->set_launches_to_decide(343);
  const Comparison comparison = Of({cell, CellWithout(512, v1::INCOMPARABLE_ONLY_A)});
  EXPECT_THAT(format::ComparisonNotes(comparison, true),
              testing::Contains("A and B are the same runs: choose sides that share none"));
  const std::string text = Table(comparison);
  EXPECT_THAT(text, Not(HasSubstr("343")));
  EXPECT_THAT(text, Not(HasSubstr("--until-decided")));
}

TEST(CompareNotes, SayWhichLaunchesAreComparedWithThemselves) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_SAME, 1);
  cell.mutable_b()->add_run_ids("17.2");
  EXPECT_EQ(format::SharedRuns(cell), 1U);
  EXPECT_THAT(format::ComparisonNotes(Of({cell}), false),
              ElementsAre("1 of the launches stands on both sides: choose sides that share none"));
  cell.mutable_b()->add_run_ids("17.1");
  EXPECT_THAT(
      format::ComparisonNotes(Of({cell, CellWith(512, v1::COMPARE_VERDICT_SAME, 1)}), false),
      ElementsAre("2 of the launches stand on both sides: choose sides that share none (small, "
                  "context 256)"));
}

TEST(CompareNotes, CountWhatWasLeftOut) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_SAME, 1);
  EXPECT_THAT(format::ComparisonNotes(Of({cell}), false), IsEmpty());
  cell.mutable_a()->set_contaminated_launches(2);
  cell.mutable_b()->set_contaminated_launches(1);
  cell.mutable_b()->set_failed_runs(3);
  EXPECT_THAT(format::ComparisonNotes(Of({cell}), false),
              ElementsAre("contaminated launches left out: 2 of A, 1 of B "
                          "(--include-contaminated keeps them)",
                          "runs that did not end OK: 3 of B"));
}

TEST(CompareNotes, CountAnAThatSeveralCellsShareOnce) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_SAME, 1);
  cell.mutable_a()->set_contaminated_launches(2);
  EXPECT_THAT(format::ComparisonNotes(Of({cell, cell}), false),
              ElementsAre(StartsWith("contaminated launches left out: 2 of A (")));
}

TEST(CompareNotes, SayWhatWasLearnedAndWhatCouldNotBe) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_SAME, 1);
  cell.mutable_phases(0)->set_min_effect(0.023);
  cell.mutable_phases(0)->set_min_effect_launches(12);
  Comparison comparison = Of({cell});
  EXPECT_THAT(format::ComparisonNotes(comparison, false), IsEmpty());
  comparison.learn_min_effect = true;
  EXPECT_THAT(format::ComparisonNotes(comparison, false),
              ElementsAre("differences below 2.3 % count as none: learned from 12 launches"));
  comparison.cells[0].cell.mutable_phases(0)->set_min_effect_launches(0);
  EXPECT_THAT(format::ComparisonNotes(comparison, false),
              ElementsAre("differences below 2.3 % count as none: fewer than 5 launches are there "
                          "to learn it from"));
}

TEST(CompareNotes, NameWhatStaysUndecidedAfterNewRuns) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_INCONCLUSIVE, 1.01);
  cell.mutable_phases(0)->set_launches_to_decide(57);
  Comparison comparison = Of({cell});
  comparison.until_decided = true;
  comparison.cells[0].ran_again = true;
  comparison.remarks = {"a remark"};
  EXPECT_THAT(format::ComparisonNotes(comparison, false),
              ElementsAre("undecided after 6 launches a side, 57 would decide", "a remark"));
  comparison.cells[0].false_alarm_rate = 0.016;
  EXPECT_THAT(format::ComparisonNotes(comparison, true),
              ElementsAre("undecided after 6 launches a side", "a remark"))
      << "57 is of another rate";
  EXPECT_EQ(VerdictWords(format::ComparedRows(comparison).front()), "inconclusive");
  EXPECT_THAT(Printed(format::kCsv, format::ShowComparison(comparison, /*in_short=*/false)),
              Not(HasSubstr(",57,")));
  EXPECT_THAT(format::ComparisonHints(comparison), IsEmpty());
  EXPECT_THAT(Table(comparison), HasSubstr("ratio is B/A with its 98.4 % interval;"));
  comparison.cells.push_back({CellWithout(512, v1::INCOMPARABLE_ONLY_A)});
  EXPECT_THAT(Table(comparison), HasSubstr("with its 98.4 % interval;")) << "it has no interval";
  comparison.cells.push_back({CellWith(1024, v1::COMPARE_VERDICT_SAME, 1)});
  EXPECT_THAT(Table(comparison),
              HasSubstr("ratio is B/A with its 95 % (of new runs 98.4 %) interval;"));
}

v1::ComparedCell OnlyIn(v1::Incomparable side, uint32_t context, v1::Precision precision) {
  v1::ComparedCell cell = CellWithout(context, side);
  cell.mutable_subject()->mutable_workload()->mutable_transformer_lm()->set_precision(precision);
  return cell;
}

TEST(CompareHints, AdviseTheAxisInWhichSidesWithoutACommonCellDiffer) {
  std::vector<v1::ComparedCell> cells;
  for (const uint32_t context : {128u, 256u}) {
    cells.push_back(OnlyIn(v1::INCOMPARABLE_ONLY_A, context, v1::PRECISION_FP32));
    cells.push_back(OnlyIn(v1::INCOMPARABLE_ONLY_B, context, v1::PRECISION_BF16));
  }
  EXPECT_THAT(format::ComparisonHints(Of(cells)),
              ElementsAre("A and B have no cell in common, they differ in precision: torchlap "
                          "compare sweep:3 sweep:4 --by precision"));
  Comparison labelled = Of(cells);
  labelled.b = "label:card=B";
  EXPECT_THAT(format::ComparisonHints(labelled),
              ElementsAre("A and B have no cell in common, they differ in precision: choose the "
                          "runs of both and compare --by precision"));
  labelled.b = "sweep:4 since=7d";
  EXPECT_THAT(format::ComparisonHints(labelled), ElementsAre(HasSubstr("choose the runs of both")));
  cells = {cells[0], cells[1], CellWith(512, v1::COMPARE_VERDICT_SAME, 1)};
  EXPECT_THAT(format::ComparisonHints(Of(cells)), IsEmpty());
}

TEST(CompareHints, SayWhyNothingIsComparedWhereNoAxisWouldDo) {
  std::vector<v1::ComparedCell> cells = {OnlyIn(v1::INCOMPARABLE_ONLY_A, 128, v1::PRECISION_FP32),
                                         OnlyIn(v1::INCOMPARABLE_ONLY_B, 512, v1::PRECISION_BF16)};
  EXPECT_THAT(format::ComparisonHints(Of(cells)),
              ElementsAre("A and B have no cell in common, they differ in context, precision: "
                          "choose sides that compute the same, or compare --by AXIS within one "
                          "selection"));
  // The same values, combined otherwise.
  cells.push_back(OnlyIn(v1::INCOMPARABLE_ONLY_A, 512, v1::PRECISION_BF16));
  cells.push_back(OnlyIn(v1::INCOMPARABLE_ONLY_B, 128, v1::PRECISION_FP32));
  cells[0] = OnlyIn(v1::INCOMPARABLE_ONLY_A, 128, v1::PRECISION_BF16);
  cells[2] = OnlyIn(v1::INCOMPARABLE_ONLY_A, 512, v1::PRECISION_FP32);
  EXPECT_THAT(format::ComparisonHints(Of(cells)),
              ElementsAre(StartsWith("A and B have no cell in common: choose sides")));
  EXPECT_THAT(format::ComparisonHints(Of({cells[0]})),
              ElementsAre("nothing is compared: sweep:4 has no run that matches"));
  EXPECT_THAT(format::ComparisonHints(Of({cells[1]})),
              ElementsAre("nothing is compared: sweep:3 has no run that matches"));
}

TEST(CompareCsv, HasARowWithStableNamesForEachCellAndPhase) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_FASTER, 0.875);
  Differ("driver", "580.1", "580.9", &cell);
  cell.mutable_b()->set_contaminated_launches(1);
  const auto lines = LinesOf(Printed(
      format::kCsv, format::ShowComparison(Of({cell, CellWithout(512, v1::INCOMPARABLE_B_FAILED)}),
                                           /*in_short=*/false)));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], HasSubstr("requested_context_length"));
  EXPECT_THAT(lines[0],
              HasSubstr(",by,a_value,b_value,phase,a_median_ms,b_median_ms,ratio,ratio_low,"
                        "ratio_high,verdict,incomparable,p,p_adjusted,a_launches,b_launches,"
                        "a_contaminated,b_contaminated,launches_to_decide,min_effect,a_run_ids,"
                        "b_run_ids,also_differs"));
  EXPECT_THAT(lines[1], HasSubstr(",,,,step,152.3,"));
  EXPECT_THAT(lines[1], HasSubstr(",faster,,0.0041,0.012,7,6,0,1,,0.01,17.1;17.2,18.1,driver=580.1 "
                                  "-> 580.9"));
  EXPECT_THAT(lines[2], HasSubstr(",,,,,,,,,,not comparable,B failed,,,0,0,0,0,,,,,"));
}

TEST(CompareCsv, HasHowSureItsIntervalsAre) {
  Comparison comparison =
      Of({CellWith(256, v1::COMPARE_VERDICT_SAME, 1), CellWith(512, v1::COMPARE_VERDICT_SAME, 1),
          CellWithout(1024, v1::INCOMPARABLE_ONLY_A)});
  comparison.cells[1].false_alarm_rate = 0.016;
  const auto lines =
      LinesOf(Printed(format::kCsv, format::ShowComparison(comparison, /*in_short=*/false)));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[0], testing::EndsWith(",also_differs,interval_confidence"));
  EXPECT_THAT(lines[1], testing::EndsWith(",0.95"));
  EXPECT_THAT(lines[2], testing::EndsWith(",0.984"));
  EXPECT_THAT(lines[3], testing::EndsWith(","));
}

TEST(CompareJson, IsAnArrayOfTheSameRows) {
  const format::Document document = format::ShowComparison(
      Of({CellWith(256, v1::COMPARE_VERDICT_FASTER, 0.875)}), /*in_short=*/false);
  const std::string json = Printed(format::kJson, document);
  EXPECT_THAT(json, StartsWith("[\n"));
  EXPECT_THAT(json, HasSubstr("\"verdict\":\"faster\",\"incomparable\":null,\"p\":0.0041"));
  EXPECT_THAT(json, HasSubstr("\"ratio\":0.875"));
  const std::string lines = Printed(format::kJsonLines, document);
  EXPECT_THAT(lines, StartsWith("{"));
  EXPECT_THAT(lines, HasSubstr("\"a_run_ids\":\"17.1;17.2\""));
}

TEST(CompareMarkdown, HasTheTableAndTheNotesApart) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_FASTER, 0.87);
  Differ("driver", "580.1", "580.9", &cell);
  const std::string text =
      Squeezed(Printed(format::kMarkdown, format::ShowComparison(Of({cell}), /*in_short=*/false)));
  EXPECT_THAT(text, StartsWith("A: sweep:3, B: sweep:4\nratio is B/A"));
  EXPECT_THAT(text, HasSubstr("faster by 13 %"));
  EXPECT_THAT(text, HasSubstr("\n\nalso differs: driver 580.1 -> 580.9\n"));
}

TEST(CompareInAPaper, SaysBelowTheTableWhichSideIsWhich) {
  const format::Document document = format::ShowComparison(
      Of({CellWith(256, v1::COMPARE_VERDICT_FASTER, 0.87)}), /*in_short=*/false);
  const std::string latex = Printed(format::kLatex, document);
  EXPECT_THAT(latex.substr(latex.find("\\end{tabular}")),
              HasSubstr("A: sweep:3, B: sweep:4\\par}\n"));
  EXPECT_THAT(latex, HasSubstr("\\footnotesize ratio is B/A with its 95 \\% interval;"));
  EXPECT_THAT(Printed(format::kTypst, document),
              HasSubstr("    text(size: 0.8em, \"A: sweep:3, B: sweep:4\"),\n"));
}

std::string Failing(const v1::ComparedCell& cell, const format::FailOn& fail_on) {
  return FailWords(Of({cell}), fail_on);
}

TEST(FailOn, SlowerNeedsAnAdjustedPBelowTheRate) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_SLOWER, 1.04);
  const format::FailOn slower = {true, false, false};
  cell.mutable_phases(0)->set_p_adjusted(0.05);
  EXPECT_EQ(Failing(cell, slower), "small: slower by 4 %");
  cell.mutable_phases(0)->set_p_adjusted(0.0501);
  EXPECT_EQ(Failing(cell, slower), "");
  cell.mutable_phases(0)->clear_p_adjusted();
  EXPECT_EQ(Failing(cell, slower), "");
  cell.mutable_phases(0)->set_p_adjusted(0.02);
  Comparison comparison = Of({cell});
  comparison.cells[0].false_alarm_rate = 0.016;
  EXPECT_EQ(FailWords(comparison, slower), "");
  EXPECT_EQ(Failing(CellWith(256, v1::COMPARE_VERDICT_FASTER, 0.9), slower), "");
}

TEST(FailOn, NamesWhatIsSlowerAndPassedOver) {
  v1::ComparedCell cell = CellWith(256, v1::COMPARE_VERDICT_SLOWER, 1.04);
  EXPECT_EQ(PassedOverWords(Of({cell}), {true, false, false}), "");
  cell.mutable_phases(0)->set_p_adjusted(0.06);
  EXPECT_EQ(PassedOverWords(Of({cell}), {true, false, false}), "small: slower by 4 %");
  EXPECT_EQ(PassedOverWords(Of({cell}), {false, true, true}), "");
  EXPECT_EQ(PassedOverWords(Of({CellWithout(256, v1::INCOMPARABLE_ONLY_A)}), {true, true, true}),
            "");
}

TEST(FailOn, NamesEachRowThatItIsAbout) {
  const Comparison comparison = Widest();
  EXPECT_EQ(FailWords(comparison, {false, true, false}),
            "small, batch 4, context 256: inconclusive: 256 launches a side would decide; small, "
            "batch 4, context 1024: inconclusive: 1024 launches a side would decide");
  EXPECT_EQ(FailWords(comparison, {false, false, true}),
            "medium, batch 128, context 256: not comparable: other device model");
  EXPECT_EQ(FailWords(comparison, {true, false, false}),
            "small, batch 4, context 256 (backward): slower by 4.2 %; small, batch 4, context 1024 "
            "(backward): slower by 4.2 %");
  EXPECT_EQ(FailWords(comparison, {}), "");
}

}  // namespace
}  // namespace torchlap::client
