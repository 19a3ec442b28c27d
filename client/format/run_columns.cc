#include "client/format/run_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "client/format/numbers.h"
#include "client/format/subject.h"
#include "client/format/words.h"

namespace torchlap::client::format {
namespace {

struct PhaseColumn {
  const char* title;
  const v1::PhaseSummary& (v1::Run::*summary)() const;
  bool (*expected)(const v1::Run&);  // whether a run with these settings times the phase
};

// A calibration has no passes.
bool IsSplit(const v1::Run& run) {
  return SubjectOf(run).has_parameters && run.plan().timing() != v1::TIMING_COMBINED;
}

bool HasOptimizer(const v1::Run& run) { return IsSplit(run) && SubjectOf(run).has_optimizer_step; }

constexpr PhaseColumn kPhaseColumns[] = {
    {"forward (ms)", &v1::Run::forward, IsSplit},
    {"backward (ms)", &v1::Run::backward, HasBackward},
    {"optimizer (ms)", &v1::Run::optimizer, HasOptimizer},
    {"step (ms)", &v1::Run::step, [](const v1::Run&) { return true; }},
};

bool IsOk(const v1::Run& run) { return run.outcome() == v1::OUTCOME_OK; }

std::string TimeText(const v1::PhaseSummary& summary) {
  std::optional<double> std_ms;
  if (summary.has_std_ns()) std_ms = summary.std_ns() / 1e6;
  return Measured(summary.mean_ns() / 1e6, std_ms);
}

std::string PhaseCell(const v1::Run& run, const PhaseColumn& column) {
  if (!column.expected(run)) return kNotApplicable;
  if (!IsOk(run)) return StateName(run);
  const v1::PhaseSummary& summary = (run.*column.summary)();
  return summary.has_mean_ns() ? TimeText(summary) : "unknown";
}

}  // namespace

void AddColumn(const std::string& title, const std::vector<v1::Run>& runs, const CellText& text,
               Grid* grid) {
  grid->titles.push_back(title);
  for (size_t i = 0; i < runs.size(); ++i) grid->rows[i].push_back(text(runs[i]));
}

void AddColumnIfAny(const std::string& title, const std::vector<v1::Run>& runs,
                    bool (*has)(const v1::Run&), const CellText& text, Grid* grid) {
  if (!std::any_of(runs.begin(), runs.end(), has)) return;
  AddColumn(
      title, runs, [&](const v1::Run& run) { return has(run) ? text(run) : kNotApplicable; }, grid);
}

void AddPhaseColumns(const std::vector<v1::Run>& runs, Grid* grid) {
  for (const PhaseColumn& column : kPhaseColumns) {
    if (!std::any_of(runs.begin(), runs.end(), column.expected)) continue;
    AddColumn(
        column.title, runs, [&](const v1::Run& run) { return PhaseCell(run, column); }, grid);
  }
}

std::string CvCell(const v1::Run& run) {
  std::optional<double> largest;
  for (const PhaseColumn& column : kPhaseColumns) {
    const v1::PhaseSummary& summary = (run.*column.summary)();
    if (summary.has_cv()) largest = std::max(largest.value_or(0), summary.cv());
  }
  if (!IsOk(run) || !largest) return kNotApplicable;
  return Percent(*largest);
}

std::string RatioCell(const v1::Run& run) {
  if (!IsOk(run) || !run.has_backward_forward_ratio()) return kNotApplicable;
  return fmt::format("{:.2f}x", run.backward_forward_ratio());
}

bool HasBackward(const v1::Run& run) { return IsSplit(run) && SubjectOf(run).has_backward; }

std::string RateText(const v1::Run& run, double rate) {
  std::optional<double> noise;
  if (run.step().has_cv()) noise = rate * run.step().cv();
  return ToNoise(rate, noise);
}

std::string TokensText(const v1::Run& run) { return RateText(run, run.tokens_per_s()); }

void StrikeInvalid(const std::vector<v1::Run>& runs, size_t first_column, Grid* grid) {
  for (size_t row = 0; row < runs.size(); ++row) {
    if (!IsOk(runs[row]) || runs[row].invalid_reason().empty()) continue;
    for (size_t column = first_column; column < grid->titles.size(); ++column) {
      grid->struck.emplace(row, grid->titles[column]);
    }
  }
}

void AddNotes(const std::vector<v1::Run>& runs, Grid* grid) {
  const bool any = std::any_of(runs.begin(), runs.end(),
                               [](const v1::Run& run) { return !NoteWords(run).empty(); });
  if (any) AddColumn("note", runs, NoteWords, grid);
}

std::string StepTimeCell(const v1::Run& run) {
  return IsOk(run) && run.step().has_mean_ns() ? TimeText(run.step()) : kNotApplicable;
}

}  // namespace torchlap::client::format
