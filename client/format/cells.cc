#include <fmt/format.h>

#include <algorithm>

#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/runs.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

bool IsOk(const v1::Run& run) { return run.outcome() == v1::OUTCOME_OK; }

bool HasPeak(const v1::Run& run) { return IsOk(run) && run.memory().has_peak_allocated_bytes(); }

std::string PeakCell(const v1::Run& run) { return Mebibytes(run.memory().peak_allocated_bytes()); }

bool HasTokens(const v1::Run& run) { return IsOk(run) && run.has_tokens_per_s(); }

bool HasPeakRatio(const v1::Run& run) {
  return IsOk(run) && run.has_matmul_peak_ratio() && run.has_flops_per_s();
}

// In the unit that suits the fastest row.
void AddFlops(const std::vector<v1::Run>& cells, Grid* grid) {
  constexpr double kTera = 1e12;
  constexpr double kGiga = 1e9;
  const bool is_fast = std::any_of(cells.begin(), cells.end(),
                                   [](const v1::Run& run) { return run.flops_per_s() >= kTera; });
  const auto text = [is_fast](const v1::Run& run) {
    return RateText(run, run.flops_per_s() / (is_fast ? kTera : kGiga));
  };
  AddColumnIfAny(is_fast ? "TFLOP/s" : "GFLOP/s", cells, HasPeakRatio, text, grid);
}

std::string PeakRatioCell(const v1::Run& run) { return Percent(run.matmul_peak_ratio()); }

bool HasMfu(const v1::Run& run) { return IsOk(run) && run.has_mfu(); }

bool IsPooled(const v1::Run& run) {
  return IsOk(run) && run.pooled_launches() > 1 && run.step().has_within_std_ns();
}

// The noise that one launch would have shown.
std::string WithinCell(const v1::Run& run) {
  return "± " + Significant(run.step().within_std_ns() / 1e6, 2);
}

bool StopsByItself(const v1::Run& run) { return IsOk(run) && run.plan().has_target_precision(); }

// How many steps it took, and why no more where the target was not reached.
std::string StepsTakenCell(const v1::Run& run) {
  if (!run.has_actual_measure_steps()) return "varies";
  const std::string steps = std::to_string(run.actual_measure_steps());
  const bool reached = run.stop_reason() == v1::STOP_REASON_REACHED ||
                       run.stop_reason() == v1::STOP_REASON_UNSPECIFIED;
  return reached ? steps : fmt::format("{} ({})", steps, Word(run.stop_reason()));
}

bool SizeIsConstant(const std::vector<v1::Run>& cells) {
  const auto name = [](const v1::Run& run) { return SubjectName(run.workload()); };
  return std::all_of(cells.begin(), cells.end(),
                     [&](const v1::Run& cell) { return name(cell) == name(cells.front()); });
}

std::string SizeText(const v1::Run& run) { return SubjectName(run.workload()); }
std::string ParametersText(const v1::Run& run) { return ParametersShort(run.parameters()); }

// A size that is the same everywhere belongs to the caption, unless it is all that names a row.
bool SizeMovesToCaption(const std::vector<v1::Run>& cells) {
  return SizeIsConstant(cells) && !VaryingTraits(cells).empty();
}

std::string CellCaption(const std::vector<v1::Run>& cells) {
  return SizeMovesToCaption(cells) ? CaptionWithModel(cells) : Caption(cells);
}

void AddMeasured(const std::vector<v1::Run>& cells, Grid* grid) {
  AddPhaseColumns(cells, grid);
  AddColumnIfAny("within a launch (ms)", cells, IsPooled, WithinCell, grid);
  AddColumnIfAny("measured", cells, StopsByItself, StepsTakenCell, grid);
  AddColumnIfAny("bwd/fwd", cells, HasBackward, RatioCell, grid);
  AddColumn("CV", cells, CvCell, grid);
  AddColumnIfAny("tokens/s", cells, HasTokens, TokensText, grid);
  AddFlops(cells, grid);
  AddColumnIfAny("of peak", cells, HasPeakRatio, PeakRatioCell, grid);
  AddColumnIfAny(
      "MFU", cells, HasMfu, [](const v1::Run& run) { return Percent(run.mfu()); }, grid);
  AddColumn(
      "peak (MiB)", cells,
      [](const v1::Run& run) { return HasPeak(run) ? PeakCell(run) : kNotApplicable; }, grid);
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
  const size_t first_measured = grid.titles.size();
  AddMeasured(cells, &grid);
  StrikeInvalid(cells, first_measured, &grid);
  AddNotes(cells, &grid);
  return grid;
}

}  // namespace torchlap::client::format
