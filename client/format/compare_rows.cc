// `compare` for programs: a row for each cell and phase.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "client/format/compare.h"
#include "proto/columns.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

// Of the subject, which is the newest run of A where A has one; with the names of exports.
constexpr std::array<std::string_view, 18> kCellColumns = {"device",
                                                           "device_model",
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
                                                           "workload_hash",
                                                           "series_key"};

constexpr std::array<const char*, 23> kOwnColumns = {"by",
                                                     "a_value",
                                                     "b_value",
                                                     "phase",
                                                     "a_median_ms",
                                                     "b_median_ms",
                                                     "ratio",
                                                     "ratio_low",
                                                     "ratio_high",
                                                     "verdict",
                                                     "incomparable",
                                                     "p",
                                                     "p_adjusted",
                                                     "a_launches",
                                                     "b_launches",
                                                     "a_contaminated",
                                                     "b_contaminated",
                                                     "launches_to_decide",
                                                     "min_effect",
                                                     "a_run_ids",
                                                     "b_run_ids",
                                                     "also_differs",
                                                     "interval_confidence"};

std::vector<RunColumn> CellColumns() {
  std::vector<RunColumn> columns;
  for (const RunColumn& column : RunColumns()) {
    if (std::find(kCellColumns.begin(), kCellColumns.end(), column.shown_name) !=
        kCellColumns.end()) {
      columns.push_back(column);
    }
  }
  return columns;
}

Value TextValue(std::string_view text) {
  if (text.empty()) return std::monostate();
  return std::string(text);
}

Value NumberIf(bool known, double number) {
  if (!known) return std::monostate();
  return number;
}

Value IdsValue(const v1::ComparedSide& side) {
  return TextValue(fmt::format("{}", fmt::join(side.run_ids(), ";")));
}

Value DifferencesValue(const v1::ComparedCell& cell) {
  std::map<std::string, std::string> differences;
  for (const v1::EnvironmentChange& change : cell.also_differs()) {
    differences[change.name()] = fmt::format("{} -> {}", change.before(), change.after());
  }
  if (differences.empty()) return std::monostate();
  return differences;
}

// `not comparable` is no verdict that a phase has: the cell has none.
Value VerdictValue(const v1::ComparedPhase* phase) {
  return TextValue(Word(phase == nullptr ? v1::COMPARE_VERDICT_NOT_COMPARABLE : phase->verdict()));
}

Value PhaseValue(const v1::ComparedPhase* phase) {
  if (phase == nullptr) return std::monostate();
  const std::string_view word = Word(phase->phase());
  return TextValue(word.empty() ? "step" : word);
}

Value ReasonValue(const ComparedRow& row) {
  const std::string_view word = Word(row.compared->cell.incomparable());
  return TextValue(row.phase == nullptr && word.empty() ? "not timed" : word);
}

void AppendOwn(const ComparedRow& row, const std::string& by, std::vector<Value>* values) {
  const v1::ComparedCell& cell = row.compared->cell;
  const bool is_known = row.phase != nullptr;
  const v1::ComparedPhase& phase = is_known ? *row.phase : v1::ComparedPhase::default_instance();
  Value to_decide;
  if (const auto launches = LaunchesToDecide(row)) to_decide = uint64_t{*launches};
  for (Value& value :
       std::vector<Value>{TextValue(by),
                          TextValue(cell.a().value()),
                          TextValue(cell.b().value()),
                          PhaseValue(row.phase),
                          NumberIf(is_known, phase.a_ns() / 1e6),
                          NumberIf(is_known, phase.b_ns() / 1e6),
                          NumberIf(is_known, phase.ratio()),
                          NumberIf(phase.has_low(), phase.low()),
                          NumberIf(phase.has_high(), phase.high()),
                          VerdictValue(row.phase),
                          ReasonValue(row),
                          NumberIf(phase.has_p(), phase.p()),
                          NumberIf(phase.has_p_adjusted(), phase.p_adjusted()),
                          uint64_t{cell.a().launches()},
                          uint64_t{cell.b().launches()},
                          uint64_t{cell.a().contaminated_launches()},
                          uint64_t{cell.b().contaminated_launches()},
                          to_decide,
                          NumberIf(is_known, phase.min_effect()),
                          IdsValue(cell.a()),
                          IdsValue(cell.b()),
                          DifferencesValue(cell),
                          NumberIf(phase.has_low(), 1 - row.compared->false_alarm_rate)}) {
    values->push_back(std::move(value));
  }
}

}  // namespace

Rows ComparisonRows(const Comparison& comparison) {
  const std::vector<RunColumn> columns = CellColumns();
  Sheet sheet;
  for (const RunColumn& column : columns) sheet.names.push_back(column.shown_name);
  sheet.names.insert(sheet.names.end(), kOwnColumns.begin(), kOwnColumns.end());
  RunValues subject(columns);
  for (const ComparedRow& row : ComparedRows(comparison)) {
    std::vector<Value> values = subject.Of(row.compared->cell.subject());
    AppendOwn(row, comparison.by, &values);
    sheet.rows.push_back(std::move(values));
  }
  return RowsOf(std::move(sheet));
}

}  // namespace torchlap::client::format
