#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "client/format/numbers.h"
#include "client/format/runs.h"
#include "client/format/traits.h"
#include "client/format/words.h"

namespace torchlap::client::format {
namespace {

constexpr char kNotApplicable[] = "-";

struct PhaseColumn {
  const char* title;
  const v1::PhaseSummary& (v1::Run::*summary)() const;
  bool (*expected)(const v1::Run&);  // whether a run with these settings times the phase
};

v1::PassType PassOf(const v1::Run& run) { return run.workload().transformer_lm().pass_type(); }

bool IsSplit(const v1::Run& run) { return run.plan().timing() != v1::TIMING_COMBINED; }

bool HasBackward(const v1::Run& run) {
  return IsSplit(run) && PassOf(run) != v1::PASS_TYPE_FORWARD;
}

bool HasOptimizer(const v1::Run& run) {
  return IsSplit(run) && PassOf(run) == v1::PASS_TYPE_TRAIN_STEP;
}

// The loss is short and nobody compares it: it is in csv and json only.
constexpr PhaseColumn kPhaseColumns[] = {
    {"forward (ms)", &v1::Run::forward, IsSplit},
    {"backward (ms)", &v1::Run::backward, HasBackward},
    {"optimizer (ms)", &v1::Run::optimizer, HasOptimizer},
    {"step (ms)", &v1::Run::step, [](const v1::Run&) { return true; }},
};

bool IsOk(const v1::Run& run) { return run.outcome() == v1::OUTCOME_OK; }

std::string PhaseCell(const v1::Run& run, const PhaseColumn& column) {
  if (!column.expected(run)) return kNotApplicable;
  if (!IsOk(run)) return OutcomeName(run.outcome());
  const v1::PhaseSummary& summary = (run.*column.summary)();
  if (!summary.has_mean_ns()) return "unknown";
  std::optional<double> std_ms;
  if (summary.has_std_ns()) std_ms = summary.std_ns() / 1e6;
  return Measured(summary.mean_ns() / 1e6, std_ms);
}

std::string RatioCell(const v1::Run& run) {
  if (!IsOk(run) || !run.has_backward_forward_ratio()) return kNotApplicable;
  return fmt::format("{:.2f}x", run.backward_forward_ratio());
}

// The largest of the columns shown: one noisy phase must not hide behind a calm sum.
std::string CvCell(const v1::Run& run) {
  std::optional<double> largest;
  for (const PhaseColumn& column : kPhaseColumns) {
    const v1::PhaseSummary& summary = (run.*column.summary)();
    if (summary.has_cv()) largest = std::max(largest.value_or(0), summary.cv());
  }
  if (!IsOk(run) || !largest) return kNotApplicable;
  return Percent(*largest);
}

std::string PeakCell(const v1::Run& run) {
  if (!IsOk(run) || !run.memory().has_peak_allocated_bytes()) return kNotApplicable;
  return Mebibytes(run.memory().peak_allocated_bytes());
}

using CellText = std::function<std::string(const v1::Run&)>;

// A column that is built row by row.
void AddColumn(const std::string& title, const std::vector<v1::Run>& cells, const CellText& text,
               Grid* grid) {
  grid->titles.push_back(title);
  for (size_t i = 0; i < cells.size(); ++i) grid->rows[i].push_back(text(cells[i]));
}

bool SizeIsConstant(const std::vector<v1::Run>& cells) {
  const auto name = [](const v1::Run& run) { return SizeName(run.workload().transformer_lm()); };
  return std::all_of(cells.begin(), cells.end(),
                     [&](const v1::Run& cell) { return name(cell) == name(cells.front()); });
}

std::string SizeText(const v1::Run& run) { return SizeName(run.workload().transformer_lm()); }
std::string ParametersText(const v1::Run& run) { return ParametersShort(run.parameters()); }

// A size that is the same everywhere belongs to the caption, unless it is all that names a row.
bool SizeMovesToCaption(const std::vector<v1::Run>& cells) {
  return cells.size() > 1 && SizeIsConstant(cells) && !VaryingTraits(cells).empty();
}

std::string CellCaption(const std::vector<v1::Run>& cells) {
  if (!SizeMovesToCaption(cells)) return Caption(cells);
  return Caption(cells,
                 fmt::format("{} ({})", SizeText(cells.front()), ParametersText(cells.front())));
}

void AddMeasured(const std::vector<v1::Run>& cells, Grid* grid) {
  for (const PhaseColumn& column : kPhaseColumns) {
    if (!std::any_of(cells.begin(), cells.end(), column.expected)) continue;
    AddColumn(
        column.title, cells, [&](const v1::Run& run) { return PhaseCell(run, column); }, grid);
  }
  if (std::any_of(cells.begin(), cells.end(), HasBackward)) {
    AddColumn("bwd/fwd", cells, RatioCell, grid);
  }
  AddColumn("CV", cells, CvCell, grid);
  AddColumn("peak (MiB)", cells, PeakCell, grid);
}

}  // namespace

Grid CellGrid(const std::vector<v1::Run>& cells) {
  Grid grid;
  if (cells.empty()) return grid;
  grid.rows.resize(cells.size());
  grid.caption = CellCaption(cells);
  if (!SizeMovesToCaption(cells)) {
    AddColumn("size", cells, SizeText, &grid);
    AddColumn("params", cells, ParametersText, &grid);
  }
  for (const Trait* trait : VaryingTraits(cells)) {
    AddColumn(
        trait->title, cells,
        [&](const v1::Run& run) {
          const std::string value = trait->value(run);
          return value.empty() ? kNotApplicable : value;
        },
        &grid);
  }
  AddMeasured(cells, &grid);
  if (std::any_of(cells.begin(), cells.end(),
                  [](const v1::Run& run) { return !NoteWords(run).empty(); })) {
    AddColumn("note", cells, NoteWords, &grid);
  }
  return grid;
}

}  // namespace torchlap::client::format
