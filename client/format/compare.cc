#include "client/format/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/width.h"
#include "client/format/words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr size_t kWidth = 80;

// How much a row of a terminal's table says. What it does not is said below, or is in csv.
enum class Wording {
  kFull,
  kBrief,  // no reasons
  kTerse,  // and ratios as `0.87 ± 0.02`
};

bool IsWanted(v1::Phase phase, const Comparison& comparison) {
  const auto& wanted = comparison.phases;
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), phase) != wanted.end();
}

std::string PhaseName(const ComparedRow& row) {
  if (row.phase == nullptr) return kNotApplicable;
  const std::string name(Word(row.phase->phase()));
  return name.empty() ? "step" : name;
}

// What a row without numbers is called.
std::string IncomparableName(const ComparedRow& row) {
  const std::string name(Word(row.compared->cell.incomparable()));
  return name.empty() ? "not timed" : name;
}

// Ends at the first digit of the half width, and has two decimals at least.
int RatioDecimals(double half_width) {
  if (!(half_width > 0)) return 3;
  return std::clamp(-static_cast<int>(std::floor(std::log10(half_width))), 2, 4);
}

std::string RatioText(const v1::ComparedPhase& phase, Wording wording) {
  if (!phase.has_low() || !phase.has_high()) return fmt::format("{:.2f}", phase.ratio());
  const double half_width = (phase.high() - phase.low()) / 2;
  const int decimals = RatioDecimals(half_width);
  // Of a wide interval the sides are not alike.
  constexpr double kNarrow = 0.1;
  if (wording == Wording::kTerse && half_width < kNarrow * phase.ratio()) {
    return fmt::format("{0:.{2}f} ± {1:.{2}f}", phase.ratio(), half_width, decimals);
  }
  return fmt::format("{0:.{3}f} [{1:.{3}f}, {2:.{3}f}]", phase.ratio(), phase.low(), phase.high(),
                     decimals);
}

// The interval is of the ratio: each side has its part of it.
std::optional<double> NoiseMs(const v1::ComparedPhase& phase, double ns) {
  if (!phase.has_low() || !phase.has_high() || phase.ratio() <= 0) return std::nullopt;
  return (phase.high() - phase.low()) / (2 * std::sqrt(2.0)) / phase.ratio() * ns / 1e6;
}

std::string TimeText(const v1::ComparedPhase& phase, double ns) {
  return ToNoise(ns / 1e6, NoiseMs(phase, ns));
}

std::string BriefVerdict(const ComparedRow& row) {
  if (row.phase == nullptr) return IncomparableName(row);
  if (row.phase->verdict() != v1::COMPARE_VERDICT_INCONCLUSIVE) return VerdictWords(row);
  return std::string(Word(row.phase->verdict()));
}

std::string TerseVerdict(const ComparedRow& row) {
  if (row.phase == nullptr) return IncomparableName(row);
  switch (row.phase->verdict()) {
    case v1::COMPARE_VERDICT_FASTER:
      return "faster " + PercentShort(1 - row.phase->ratio());
    case v1::COMPARE_VERDICT_SLOWER:
      return "slower " + PercentShort(row.phase->ratio() - 1);
    default:
      return std::string(Word(row.phase->verdict()));
  }
}

std::string VerdictText(const ComparedRow& row, Wording wording) {
  if (wording == Wording::kFull) return VerdictWords(row);
  return wording == Wording::kBrief ? BriefVerdict(row) : TerseVerdict(row);
}

std::string PText(const v1::ComparedPhase& phase) {
  if (!phase.has_p()) return kNotApplicable;
  return phase.p() < 0.0001 ? "< 0.0001" : Significant(phase.p(), 2);
}

using RowText = std::function<std::string(const ComparedRow&)>;

void AddRowColumn(const std::string& title, const std::vector<ComparedRow>& rows,
                  const RowText& text, Grid* grid) {
  grid->titles.push_back(title);
  for (size_t i = 0; i < rows.size(); ++i) grid->rows[i].push_back(text(rows[i]));
}

// What only rows with numbers have.
void AddPhaseColumn(const std::string& title, const std::vector<ComparedRow>& rows,
                    const std::function<std::string(const v1::ComparedPhase&)>& text, Grid* grid) {
  AddRowColumn(
      title, rows,
      [&text](const ComparedRow& row) {
        return row.phase == nullptr ? kNotApplicable : text(*row.phase);
      },
      grid);
}

bool HasPhases(const std::vector<ComparedRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const ComparedRow& row) {
    return row.phase != nullptr && row.phase->phase() != v1::PHASE_UNSPECIFIED;
  });
}

bool SizeIsConstant(const std::vector<v1::Run>& runs) {
  return std::all_of(runs.begin(), runs.end(), [&runs](const v1::Run& run) {
    return SubjectName(run.workload()) == SubjectName(runs.front().workload());
  });
}

// What names the rows, and what they have in common as the caption.
void AddNames(const Comparison& comparison, const std::vector<ComparedRow>& rows, Grid* grid) {
  std::vector<v1::Run> runs;
  for (const ComparedRow& row : rows) {
    runs.push_back(WithoutAxis(comparison.by, row.compared->cell.subject()));
  }
  const std::vector<const Trait*> varying = VaryingTraits(runs);
  const bool has_other_name = !varying.empty() || !comparison.by.empty() || HasPhases(rows);
  // Where they are compared by it the column of the axis says it, of rows that only B has too.
  const bool size_is_said = comparison.by == "size" || (SizeIsConstant(runs) && has_other_name);
  const bool names_model = size_is_said && comparison.by != "size";
  grid->caption = names_model ? CaptionWithModel(runs) : Caption(runs);
  if (!size_is_said) {
    AddColumn(
        "size", runs, [](const v1::Run& run) { return SubjectName(run.workload()); }, grid);
  }
  for (const Trait* trait : varying) {
    const auto text = [trait](const v1::Run& run) {
      const std::string value = trait->value(run);
      return value.empty() ? kNotApplicable : value;
    };
    AddColumn(trait->title, runs, text, grid);
  }
  if (!comparison.by.empty()) {
    AddRowColumn(
        comparison.by, rows, [](const ComparedRow& row) { return row.compared->cell.b().value(); },
        grid);
  }
  if (HasPhases(rows)) AddRowColumn("phase", rows, PhaseName, grid);
}

Grid GridOf(const Comparison& comparison, Wording wording) {
  const std::vector<ComparedRow> rows = ComparedRows(comparison);
  Grid grid;
  grid.rows.resize(rows.size());
  if (rows.empty()) return grid;
  AddNames(comparison, rows, &grid);
  AddPhaseColumn(
      "A (ms)", rows, [](const v1::ComparedPhase& phase) { return TimeText(phase, phase.a_ns()); },
      &grid);
  AddPhaseColumn(
      "B (ms)", rows, [](const v1::ComparedPhase& phase) { return TimeText(phase, phase.b_ns()); },
      &grid);
  AddPhaseColumn(
      "ratio", rows,
      [wording](const v1::ComparedPhase& phase) { return RatioText(phase, wording); }, &grid);
  AddRowColumn(
      "verdict", rows, [wording](const ComparedRow& row) { return VerdictText(row, wording); },
      &grid);
  AddRowColumn(
      "launches", rows,
      [](const ComparedRow& row) {
        const v1::ComparedCell& cell = row.compared->cell;
        return fmt::format("{}/{}", cell.a().launches(), cell.b().launches());
      },
      &grid);
  const bool has_p = std::any_of(rows.begin(), rows.end(), [](const ComparedRow& row) {
    return row.phase != nullptr && row.phase->has_p();
  });
  if (has_p) AddPhaseColumn("p", rows, PText, &grid);
  return grid;
}

size_t LineWidth(const Grid& grid) {
  size_t width = 1;
  for (size_t i = 0; i < grid.titles.size(); ++i) {
    size_t column = DisplayWidth(grid.titles[i]);
    for (const auto& row : grid.rows) column = std::max(column, DisplayWidth(row[i]));
    width += column + 3;
  }
  return width;
}

// Takes those out that do not fit.
std::vector<std::string> Drop(const std::vector<std::string>& titles, size_t width, Grid* grid) {
  Narrowing how;
  how.width = width;
  how.drop = titles;
  return Narrow(how, grid);
}

struct Table {
  Grid grid;
  Wording wording = Wording::kFull;
  std::vector<std::string> gone;  // columns
};

// In the fullest words with which it fits a terminal. The times go together: one of them alone
// would tell nothing beside a ratio.
Table ShortTable(const Comparison& comparison) {
  Table table;
  for (const Wording wording : {Wording::kFull, Wording::kBrief}) {
    table = {GridOf(comparison, wording), wording, {}};
    table.gone = Drop({"p"}, kWidth, &table.grid);
    if (LineWidth(table.grid) <= kWidth) return table;
  }
  for (const std::string& title : Drop({"launches"}, kWidth, &table.grid)) {
    table.gone.push_back(title);
  }
  if (LineWidth(table.grid) <= kWidth) return table;
  table = {GridOf(comparison, Wording::kTerse), Wording::kTerse, {}};
  table.gone = Drop({"p", "launches"}, kWidth, &table.grid);
  if (LineWidth(table.grid) <= kWidth) return table;
  for (const std::string& title : Drop({"A (ms)", "B (ms)"}, 0, &table.grid)) {
    table.gone.push_back(title);
  }
  return table;
}

std::string ConfidenceText(double false_alarm_rate) {
  return fmt::format("{:.3g} %", (1 - false_alarm_rate) * 100);
}

// `95 %`; of looks at new runs `98.4 %`, and where rows have either `95 % (of new runs 98.4 %)`.
std::string ConfidenceWords(const Comparison& comparison) {
  double most = 0;
  double least = 1;
  for (const Compared& compared : comparison.cells) {
    if (compared.cell.phases().empty()) continue;
    most = std::max(most, compared.false_alarm_rate);
    least = std::min(least, compared.false_alarm_rate);
  }
  if (most == 0) return ConfidenceText(Compared{}.false_alarm_rate);
  if (most == least) return ConfidenceText(most);
  return fmt::format("{} (of new runs {})", ConfidenceText(most), ConfidenceText(least));
}

bool HasColumn(const Grid& grid, const std::string& title) {
  return std::find(grid.titles.begin(), grid.titles.end(), title) != grid.titles.end();
}

// `with its 95 % interval`; where a ratio is as `0.87 ± 0.02`: `± half of its 95 % interval`.
std::string IntervalWords(const Comparison& comparison, const Table& table) {
  const std::string confidence = ConfidenceWords(comparison);
  const auto& rows = table.grid.rows;
  const bool is_halved = std::any_of(rows.begin(), rows.end(), [](const auto& row) {
    return std::any_of(row.begin(), row.end(),
                       [](const std::string& cell) { return cell.find("±") != std::string::npos; });
  });
  return is_halved ? fmt::format("± half of its {} interval", confidence)
                   : fmt::format("with its {} interval", confidence);
}

// Of one launch there is one median, of none no time.
bool HasPooledTimes(const Comparison& comparison) {
  return std::any_of(comparison.cells.begin(), comparison.cells.end(), [](const Compared& one) {
    const bool is_pooled = one.cell.a().launches() > 1 || one.cell.b().launches() > 1;
    return is_pooled && !one.cell.phases().empty();
  });
}

Lines SideLines(const Comparison& comparison, const Table& table) {
  std::string sides = fmt::format("A: {}, B: {}", comparison.a, comparison.b);
  if (!comparison.by.empty()) {
    const std::string& value =
        comparison.cells.empty() ? "" : comparison.cells.front().cell.a().value();
    sides = fmt::format("A: {} {}, B: the others, in {}", comparison.by, value, comparison.a);
  }
  Lines lines = {sides,
                 "ratio is B/A " + IntervalWords(comparison, table) + "; below 1: B is faster"};
  if (HasColumn(table.grid, "A (ms)") && HasPooledTimes(comparison)) {
    lines.emplace_back("times are geometric means of the launches' medians");
  }
  return lines;
}

std::vector<Block> BlocksOf(const Comparison& comparison, bool in_short) {
  Table table = in_short ? ShortTable(comparison)
                         : Table{GridOf(comparison, Wording::kFull), Wording::kFull, {}};
  const bool has_reasons = table.wording == Wording::kFull;
  const Lines sides = SideLines(comparison, table);
  std::vector<Block> blocks = {sides};
  table.grid.key = sides;
  blocks.emplace_back(std::move(table.grid));
  if (!table.gone.empty()) {
    blocks.emplace_back(Wrapped("--format csv also has:", table.gone, kWidth));
  }
  if (Lines notes = ComparisonNotes(comparison, !has_reasons); !notes.empty()) {
    blocks.emplace_back(std::move(notes));
  }
  return blocks;
}

// Whatever else the table compares.
bool IsBeyondChance(const ComparedRow& row) {
  return row.phase->has_p_adjusted() && row.phase->p_adjusted() <= row.compared->false_alarm_rate;
}

bool FailsOn(const ComparedRow& row, const FailOn& fail_on) {
  if (row.phase == nullptr) return fail_on.incomparable;
  switch (row.phase->verdict()) {
    case v1::COMPARE_VERDICT_SLOWER:
      return fail_on.slower && IsBeyondChance(row);
    case v1::COMPARE_VERDICT_INCONCLUSIVE:
      return fail_on.inconclusive;
    default:
      return false;
  }
}

// `small, context 256: slower by 4 %; ...`
std::string RowsWords(const Comparison& comparison,
                      const std::function<bool(const ComparedRow&)>& is_meant) {
  std::string words;
  for (const ComparedRow& row : ComparedRows(comparison)) {
    if (!is_meant(row)) continue;
    words += fmt::format("{}{}: {}", words.empty() ? "" : "; ", RowName(row, comparison),
                         VerdictWords(row));
  }
  return words;
}

}  // namespace

std::vector<ComparedRow> ComparedRows(const Comparison& comparison) {
  std::vector<ComparedRow> rows;
  for (const Compared& compared : comparison.cells) {
    const size_t before = rows.size();
    for (const v1::ComparedPhase& phase : compared.cell.phases()) {
      if (IsWanted(phase.phase(), comparison)) rows.push_back({&compared, &phase});
    }
    if (rows.size() == before) rows.push_back({&compared, nullptr});
  }
  return rows;
}

v1::Run WithoutAxis(const std::string& axis, v1::Run run) {
  if (axis == "precision") SetPrecision(v1::PRECISION_UNSPECIFIED, run.mutable_workload());
  if (axis == "attention") SetAttention(v1::ATTENTION_UNSPECIFIED, run.mutable_workload());
  if (axis == "optimizer") SetOptimizer(v1::OPTIMIZER_UNSPECIFIED, run.mutable_workload());
  if (axis == "batch") run.set_requested_batch_size(0);
  if (axis == "context") run.set_requested_context_length(0);
  if (axis == "timing") run.mutable_plan()->clear_timing();
  if (axis == "device" || axis == "device-model") run.clear_device();
  return run;
}

std::vector<v1::Run> SubjectsOf(const Comparison& comparison) {
  std::vector<v1::Run> runs;
  for (const Compared& compared : comparison.cells) {
    runs.push_back(WithoutAxis(comparison.by, compared.cell.subject()));
  }
  return runs;
}

std::string RowName(const ComparedRow& row, const Comparison& comparison) {
  const v1::Run run = WithoutAxis(comparison.by, row.compared->cell.subject());
  std::string name = SubjectName(run.workload());
  name += Distinction(run, VaryingTraits(SubjectsOf(comparison)));
  if (!comparison.by.empty()) {
    name += fmt::format(", {} {}", comparison.by, row.compared->cell.b().value());
  }
  const bool is_step = row.phase == nullptr || row.phase->phase() == v1::PHASE_UNSPECIFIED;
  return is_step ? name : fmt::format("{} ({})", name, PhaseName(row));
}

std::string VerdictWords(const ComparedRow& row) {
  if (row.phase == nullptr) return "not comparable: " + IncomparableName(row);
  switch (row.phase->verdict()) {
    case v1::COMPARE_VERDICT_FASTER:
      return "faster by " + PercentShort(1 - row.phase->ratio());
    case v1::COMPARE_VERDICT_SLOWER:
      return "slower by " + PercentShort(row.phase->ratio() - 1);
    case v1::COMPARE_VERDICT_SAME:
      return fmt::format("same (within {})", PercentShort(row.phase->min_effect()));
    case v1::COMPARE_VERDICT_INCONCLUSIVE:
      if (const auto launches = LaunchesToDecide(row)) {
        return fmt::format("inconclusive: {} launches a side would decide", *launches);
      }
      return "inconclusive";
    default:
      return std::string(Word(row.phase->verdict()));
  }
}

std::optional<uint32_t> LaunchesToDecide(const ComparedRow& row) {
  const bool is_known = row.phase != nullptr && row.phase->has_launches_to_decide();
  if (!is_known || row.compared->false_alarm_rate != kUsualFalseAlarmRate) return std::nullopt;
  return row.phase->launches_to_decide();
}

std::string FailWords(const Comparison& comparison, const FailOn& fail_on) {
  return RowsWords(comparison, [&](const ComparedRow& row) { return FailsOn(row, fail_on); });
}

std::string PassedOverWords(const Comparison& comparison, const FailOn& fail_on) {
  if (!fail_on.slower) return "";
  return RowsWords(comparison, [](const ComparedRow& row) {
    return row.phase != nullptr && row.phase->verdict() == v1::COMPARE_VERDICT_SLOWER &&
           !IsBeyondChance(row);
  });
}

Document ShowComparison(const Comparison& comparison, bool in_short) {
  Document document;
  document.blocks = [comparison, in_short] { return BlocksOf(comparison, in_short); };
  document.hints = [comparison] { return ComparisonHints(comparison); };
  document.rows = ComparisonRows(comparison);
  return document;
}

}  // namespace torchlap::client::format
