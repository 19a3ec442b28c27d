// Tables with a setting in their rows and another in their columns.
#include "client/pivot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/format/format.h"
#include "client/format/pivot.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Pivot Parsed(const std::string& text, const std::optional<std::string>& relative_to = {}) {
  const auto pivot = ParsePivot(text, relative_to);
  EXPECT_TRUE(pivot.ok()) << pivot.status();
  return pivot.ok() ? *pivot : Pivot();
}

std::string Refusal(const std::string& text, const std::optional<std::string>& relative_to = {}) {
  const auto pivot = ParsePivot(text, relative_to);
  EXPECT_EQ(pivot.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(pivot.status().message());
}

TEST(PivotWords, NameAxesAndValues) {
  const Pivot pivot = Parsed("rows=size+precision,columns=context,value=step_median,value=forward");
  EXPECT_THAT(pivot.rows, ElementsAre("size", "precision"));
  EXPECT_THAT(pivot.columns, ElementsAre("context"));
  ASSERT_EQ(pivot.values.size(), 2U);
  EXPECT_EQ(pivot.values[0].column.shown_name, "step_median_ms");
  EXPECT_FALSE(pivot.values[0].is_phase);
  EXPECT_EQ(pivot.values[1].column.shown_name, "forward_mean_ms");
  EXPECT_TRUE(pivot.values[1].is_phase);
  EXPECT_FALSE(pivot.relative_to.has_value());
}

TEST(PivotWords, MeanTheMedianStepWithoutAValue) {
  const Pivot pivot = Parsed("rows=label:card");
  EXPECT_THAT(pivot.rows, ElementsAre("label:card"));
  EXPECT_TRUE(pivot.columns.empty());
  ASSERT_EQ(pivot.values.size(), 1U);
  EXPECT_EQ(pivot.values[0].column.shown_name, "step_median_ms");
}

TEST(PivotWords, NameAColumnWithOrWithoutItsUnit) {
  for (const char* name : {"tokens", "tokens_per_s"}) {
    const Pivot pivot = Parsed(std::string("rows=size,value=") + name);
    EXPECT_EQ(pivot.values[0].column.shown_name, "tokens_per_s") << name;
  }
  EXPECT_EQ(Parsed("rows=size,value=peak_allocated").values[0].column.shown_name,
            "peak_allocated_bytes");
}

TEST(PivotWords, ThatAreNoneAreRefusedWithWhatWouldBeRight) {
  EXPECT_THAT(Refusal("rows=colour"),
              AllOf(StartsWith("--pivot has rows=colour, must be one of size, edition, pass"),
                    HasSubstr("warmup, steps"), HasSubstr("label:KEY; several joined by +")));
  EXPECT_THAT(Refusal("rows=size+"), StartsWith("--pivot has rows=size+, must be one of"));
  EXPECT_THAT(Refusal("rows=label:"), StartsWith("--pivot has rows=label:, must be one of"));
  EXPECT_THAT(Refusal("rows=size,value=run_id"),
              StartsWith("--pivot has value=run_id, must be a column of numbers"));
  EXPECT_THAT(Refusal("rows=size,value=started_at"), StartsWith("--pivot has value=started_at"));
  EXPECT_THAT(Refusal("rows=size,value=step_median_ns"),
              HasSubstr("or a phase: forward, loss, backward, optimizer, step; close to it: "
                        "step_median_ms"));
  EXPECT_THAT(Refusal("size"), StartsWith("--pivot has size, must be as rows=size,columns="));
  EXPECT_THAT(Refusal(""), StartsWith("--pivot has '', must be as rows=size,"));
  EXPECT_THAT(Refusal("columns=size"), StartsWith("--pivot has no rows, must be as"));
  EXPECT_EQ(Refusal("rows=size,columns=size"),
            "--pivot has the axis size twice, must have it once");
  EXPECT_EQ(Refusal("rows=size,rows=batch"),
            "--pivot has rows twice, must have it once: rows=size+batch");
}

TEST(PivotWords, SetCellsAgainstAValueOfAnAxisOfTheTable) {
  const Pivot pivot = Parsed("rows=size,columns=label:card", "label:card=A=B");
  ASSERT_TRUE(pivot.relative_to.has_value());
  EXPECT_EQ(pivot.relative_to->axis, "label:card");
  EXPECT_EQ(pivot.relative_to->value, "A=B");
  EXPECT_EQ(Refusal("rows=size,columns=context", "precision=fp32"),
            "--relative-to is precision=fp32, must be an axis of --pivot (size, context) and its "
            "value");
  for (const char* text : {"size", "size=", "=small"}) {
    EXPECT_EQ(Refusal("rows=size", text),
              std::string("--relative-to is ") + text + ", must be as precision=fp32");
  }
}

// A cell that ended OK, with an interval of the median step.
v1::Run Cell(uint64_t job_id, const std::string& preset, uint32_t context, double median_ms,
             v1::Precision precision = v1::PRECISION_FP32) {
  v1::Run run = ScaledRun(preset, 128'625'408, job_id, 1);
  run.clear_labels();
  auto* model = run.mutable_workload()->mutable_transformer_lm();
  model->set_context_length(context);
  model->set_precision(precision);
  run.set_requested_context_length(context);
  v1::PhaseSummary* step = run.mutable_step();
  step->set_median_ns(median_ms * 1e6);
  step->set_median_low_ns(median_ms * 0.97 * 1e6);
  step->set_median_high_ns(median_ms * 1.03 * 1e6);
  return run;
}

absl::StatusOr<format::Document> Shown(const std::vector<v1::Run>& cells, const std::string& text,
                                       const std::optional<std::string>& relative_to = {}) {
  return format::ShowPivot(cells, Parsed(text, relative_to), nullptr);
}

std::string TableOf(const std::vector<v1::Run>& cells, const std::string& text,
                    const std::optional<std::string>& relative_to = {},
                    const format::Format& format = format::kTable) {
  const auto document = Shown(cells, text, relative_to);
  EXPECT_TRUE(document.ok()) << document.status();
  return document.ok() ? Printed(format, *document) : "";
}

std::string Error(const std::vector<v1::Run>& cells, const std::string& text,
                  const std::optional<std::string>& relative_to = {}) {
  return std::string(Shown(cells, text, relative_to).status().message());
}

TEST(PivotTable, HasRowsAndColumnsAndDashesBetween) {
  const std::string table = TableOf(
      {Cell(1, "small", 512, 200.04), Cell(2, "small", 64, 100.04), Cell(3, "medium", 512, 700.4)},
      "rows=size,columns=context,value=step_median");
  EXPECT_THAT(table, StartsWith("step median (ms); cs336-2025, "));
  EXPECT_THAT(table, HasSubstr("| size   | context 64 | context 512 |\n"));
  EXPECT_THAT(table, HasSubstr("| small  | 100.0      | 200.0       |\n")) << table;
  EXPECT_THAT(table, HasSubstr("| medium | -          | 700         |\n")) << table;
  EXPECT_THAT(table, HasSubstr("cpu0: Example CPU, 4 cores"));
  EXPECT_THAT(table, Not(HasSubstr("±")));
}

TEST(PivotTable, OfAPhaseHasItsNoise) {
  const std::string table = TableOf({Cell(1, "small", 64, 100)}, "rows=size,value=forward");
  EXPECT_THAT(table, HasSubstr("| size  | forward (ms) |\n"));
  EXPECT_THAT(table, HasSubstr("| small | 152.3 ± 8.5  |\n"));
  EXPECT_THAT(table, HasSubstr("± is the standard deviation of the measured steps"));
}

TEST(PivotTable, PutsSeveralValuesSideBySide) {
  const std::string table =
      TableOf({Cell(1, "small", 64, 100), Cell(2, "small", 128, 200)},
              "rows=size,columns=context,value=forward_median,value=peak_allocated,value=tokens");
  EXPECT_THAT(table, HasSubstr("| context 64: forward median (ms) | context 64: peak allocated "
                               "(MiB) | context 64: tokens/s | context 128: forward median (ms) "));
  EXPECT_THAT(table, HasSubstr("| 152.3 ")) << "ends where the standard deviation does";
  EXPECT_THAT(table, HasSubstr("| 1781 "));
  EXPECT_THAT(table, HasSubstr("| 2235 "));
}

TEST(PivotTable, JoinsAxes) {
  const std::string table =
      TableOf({Cell(1, "small", 64, 100), Cell(2, "small", 64, 50, v1::PRECISION_BF16)},
              "rows=size+precision,columns=context+batch,value=step_median");
  EXPECT_THAT(table, HasSubstr("| size  | precision | context 64, batch 4 |\n"));
  EXPECT_THAT(table, HasSubstr("| small | fp32      | 100.0               |\n"));
  EXPECT_THAT(table, HasSubstr("| small | bf16      | 50.0                |\n"));
}

TEST(PivotTable, SaysWhyCellsHaveNoNumber) {
  v1::Run late = Cell(5, "xl", 64, 1);
  late.set_outcome(v1::OUTCOME_TIMED_OUT);
  v1::Run queued = Cell(6, "tiny", 64, 1);
  queued.clear_outcome();
  queued.set_job_state(v1::JOB_STATE_QUEUED);
  v1::Run without = Cell(7, "short", 64, 1);
  without.clear_optimizer();
  const std::string table =
      TableOf({OutOfMemoryRun(), SkippedRun(), late, queued}, "rows=size,value=step");
  EXPECT_THAT(table, HasSubstr("| large | OOM       |\n"));
  EXPECT_THAT(table, HasSubstr("| 2.7B  | skipped   |\n"));
  EXPECT_THAT(table, HasSubstr("| xl    | timed out |\n"));
  EXPECT_THAT(table, HasSubstr("| tiny  | queued    |\n"));
  EXPECT_THAT(TableOf({without}, "rows=size,value=optimizer"), HasSubstr("| short | -    "));
}

TEST(PivotTable, MarksWhatIsNotAsAskedForAndExplainsItBelow) {
  v1::Run doubted = Cell(3, "medium", 256, 300);
  Doubt(v1::VALIDITY_SUSPECT, {v1::REASON_DRIFT, v1::REASON_NOISE}, &doubted);
  v1::Run clean = Cell(4, "small", 256, 100.04);
  clean.set_validity(v1::VALIDITY_CLEAN);
  const std::string table = TableOf({clean, ShrunkRun(), doubted}, "rows=size,value=step_median");
  EXPECT_THAT(table, HasSubstr("| small  | 100.0    "));
  EXPECT_THAT(table, HasSubstr("| xl     | 4810 (a) "));
  EXPECT_THAT(table, HasSubstr("| medium | 300.0 (b) "));
  EXPECT_THAT(table, HasSubstr("\n(a) batch 4 -> 2 (OOM)\n(b) suspect: drift, noise\n"));
}

TEST(PivotTable, SaysThatContaminatedRunsAreInItAndWhyFirst) {
  v1::Run disturbed = Cell(3, "medium", 256, 300);
  Doubt(v1::VALIDITY_CONTAMINATED, {v1::REASON_NOISE, v1::REASON_FOREIGN_CPU}, &disturbed);
  v1::Run clean = Cell(4, "small", 256, 100.04);
  const auto table = [&] { return TableOf({clean, disturbed}, "rows=size,value=step_median"); };
  EXPECT_THAT(table(), HasSubstr("(a) contaminated: foreign-cpu, noise\n"));
  EXPECT_THAT(table(),
              HasSubstr("\nwith 1 contaminated run (--exclude-contaminated leaves it out)"));
  disturbed.set_pooled_launches(5);
  EXPECT_THAT(table(), HasSubstr("\nwith 1 contaminated cell (--exclude-"));
  EXPECT_THAT(TableOf({clean}, "rows=size,value=step_median"), Not(HasSubstr("contaminated")));
}

TEST(PivotTable, SetsMachinesBesideEachOther) {
  v1::Run other = Cell(5, "small", 256, 200);
  other.set_host("lab2");
  const std::string table =
      TableOf({Cell(4, "small", 256, 100), other}, "rows=size,columns=host,value=step_median");
  EXPECT_THAT(table, AllOf(HasSubstr("here"), HasSubstr("host lab2")));
  EXPECT_THAT(table, Not(HasSubstr("also differ in host")));
}

TEST(PivotTable, SaysOnceWhatIsSoOfAllCells) {
  std::vector<v1::Run> cells = {Cell(1, "small", 64, 100.04), Cell(2, "medium", 64, 300)};
  for (v1::Run& cell : cells) {
    Doubt(v1::VALIDITY_UNVERIFIED, {v1::REASON_SHORT_WINDOW}, &cell);
  }
  const std::string table = TableOf(cells, "rows=size,value=step_median");
  EXPECT_THAT(table, HasSubstr("all cells: unverified: short-window\n"));
  EXPECT_THAT(table, Not(HasSubstr("(a)")));
}

TEST(PivotTable, SaysWhatItDoesNotShow) {
  const std::string table = TableOf({Cell(1, "small", 64, 100), Cell(2, "medium", 128, 300)},
                                    "rows=size,value=step_median");
  EXPECT_THAT(table, HasSubstr("the cells also differ in context, which neither rows nor columns "
                               "show\n"));
  EXPECT_THAT(TableOf({Cell(1, "small", 64, 100)}, "rows=size"), Not(HasSubstr("also differ")));
}

TEST(PivotTable, RefusesSeveralCellsInOnePlaceAndNamesTheAxis) {
  const std::vector<v1::Run> cells = {Cell(1, "small", 64, 100),
                                      Cell(2, "small", 64, 50, v1::PRECISION_BF16)};
  EXPECT_EQ(Error(cells, "rows=size,columns=context"),
            "2 cells fall into small, context 64: they differ in precision; add it to rows or "
            "columns, or narrow with a filter");
  v1::Run labelled = Cell(2, "small", 64, 50, v1::PRECISION_BF16);
  (*labelled.mutable_labels())["card"] = "B";
  v1::Run other = Cell(1, "small", 64, 100);
  (*other.mutable_labels())["card"] = "A";
  EXPECT_EQ(Error({labelled, other}, "rows=size"),
            "2 cells fall into small: they differ in precision and label:card; add them to rows or "
            "columns, or narrow with a filter");
  EXPECT_EQ(Error({Cell(1, "small", 64, 100), Cell(9, "small", 64, 100)}, "rows=size"),
            "2 cells fall into small: they differ in no setting (jobs 1 and 9); choose one of "
            "them, as sweep:N or by --since");
}

TEST(PivotTable, IsOfModelsAlone) {
  v1::Run calibration;
  calibration.set_outcome(v1::OUTCOME_OK);
  calibration.mutable_workload()->mutable_calibration()->set_matrix_size(1024);
  EXPECT_EQ(Shown({calibration}, "rows=size").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(TableOf({calibration, Cell(1, "small", 64, 100)}, "rows=size"),
              Not(HasSubstr("calibration")));
}

std::vector<v1::Run> Precisions() {
  return {Cell(1, "small", 64, 187), Cell(2, "small", 64, 100, v1::PRECISION_BF16),
          Cell(3, "medium", 64, 400, v1::PRECISION_BF16)};
}

TEST(SpeedUp, HasAnIntervalFromThoseOfBothMedians) {
  const std::string table = TableOf(Precisions(), "rows=size,columns=precision", "precision=fp32");
  EXPECT_THAT(table, StartsWith("speed-up over fp32, step median; "));
  // Half widths of 3 % each: sqrt(2) * 3 % = 4.24 %.
  EXPECT_THAT(table, HasSubstr("| small  | 1.00x | 1.87x [1.79, 1.95] |\n")) << table;
  EXPECT_THAT(table, HasSubstr("| medium | -     | no base            |\n")) << table;
  EXPECT_THAT(table, HasSubstr("relative half widths, in quadrature"));
}

TEST(SpeedUp, OfAPhaseIsOfItsMediansAndOfARateTheOtherWayRound) {
  std::vector<v1::Run> cells = Precisions();
  cells[1].set_tokens_per_s(cells[0].tokens_per_s() * 2);
  EXPECT_THAT(TableOf(cells, "rows=size,columns=precision,value=step", "precision=fp32"),
              HasSubstr("1.87x [1.79, 1.95]"));
  const std::string rates =
      TableOf(cells, "rows=size,columns=precision,value=tokens", "precision=fp32");
  EXPECT_THAT(rates, StartsWith("tokens/s, times that of fp32; "));
  EXPECT_THAT(rates, HasSubstr("| 2.00x "));
  EXPECT_THAT(rates, Not(HasSubstr("quadrature")));
}

TEST(SpeedUp, OfSeveralValuesSaysOnceWhatTheyAreRelativeTo) {
  const std::string table = TableOf(
      Precisions(), "rows=size,columns=precision,value=step_median,value=tokens", "precision=fp32");
  EXPECT_THAT(table, StartsWith("relative to fp32; "));
  EXPECT_THAT(table, HasSubstr("| bf16: step median speed-up |"));
  EXPECT_THAT(table, HasSubstr("| bf16: tokens/s ratio |"));
}

TEST(SpeedUp, IsNoneWhereTheBaseFailedOrRanAtAnotherSize) {
  std::vector<v1::Run> cells = Precisions();
  cells[1].mutable_workload()->mutable_transformer_lm()->set_batch_size(2);
  const std::string shrunk = TableOf(cells, "rows=size,columns=precision", "precision=fp32");
  EXPECT_THAT(shrunk, HasSubstr("| 1.00x | other sizes (a) |\n"));
  cells[0].set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  const std::string failed = TableOf(cells, "rows=size,columns=precision", "precision=fp32");
  EXPECT_THAT(failed, HasSubstr("| OOM  | no base (a) |\n"));
}

TEST(SpeedUp, NeedsAValueThatACellHas) {
  EXPECT_EQ(Error(Precisions(), "rows=size,columns=precision", "precision=fp64"),
            "--relative-to is precision=fp64, which no cell has, must be one of fp32, bf16");
}

TEST(PivotRows, ArePlainNumbersForPrograms) {
  std::vector<v1::Run> cells = Precisions();
  cells[0].mutable_step()->set_median_ns(187.5e6);
  cells[1].mutable_step()->set_median_ns(100.25e6);
  cells[2].set_outcome(v1::OUTCOME_CRASHED);
  EXPECT_EQ(TableOf(cells, "rows=size+context,columns=precision", {}, format::kCsv),
            "size,context,step_median_ms[precision=fp32],step_median_ms[precision=bf16]\n"
            "small,64,187.5,100.25\nmedium,64,,\n");
  EXPECT_EQ(TableOf({cells[0]}, "rows=context,value=forward", {}, format::kCsv),
            "context,forward_mean_ms,forward_std_ms\n64,152.3,8.45\n");
  EXPECT_THAT(TableOf(cells, "rows=size,columns=precision", {}, format::kJson),
              HasSubstr("\"size\":\"medium\",\"step_median_ms[precision=fp32]\":null"));
  EXPECT_THAT(
      TableOf(cells, "rows=size,columns=precision", "precision=fp32", format::kCsv),
      HasSubstr("step_median_speedup[precision=bf16],step_median_speedup_low[precision=bf16],"));
  EXPECT_THAT(
      TableOf(cells, "rows=size,columns=precision,value=tokens", "precision=fp32", format::kCsv),
      HasSubstr("tokens_ratio[precision=bf16],tokens_ratio_low[precision=bf16],"));
}

TEST(PivotRows, AreOneForEachLabelHoweverItIsWritten) {
  std::vector<v1::Run> cells;
  for (const char* seed : {"1", "01", "2"}) {
    v1::Run& cell = cells.emplace_back(Cell(cells.size() + 1, "small", 64, 100 + cells.size()));
    (*cell.mutable_labels())["seed"] = seed;
  }
  EXPECT_EQ(TableOf(cells, "rows=label:seed", {}, format::kCsv),
            "label:seed,step_median_ms\n01,101\n1,100\n2,102\n");
}

}  // namespace
}  // namespace torchlap::client
