#include <fmt/format.h>

#include <optional>

#include "client/format/numbers.h"
#include "client/format/runs.h"
#include "client/format/sheet.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

std::string StepCell(const v1::Run& run) {
  if (run.outcome() != v1::OUTCOME_OK || !run.step().has_mean_ns()) return "-";
  std::optional<double> std_ms;
  if (run.step().has_std_ns()) std_ms = run.step().std_ns() / 1e6;
  return Measured(run.step().mean_ns() / 1e6, std_ms);
}

// To the second: the full stamp is in csv and json.
std::string StartedCell(const v1::Run& run) {
  if (run.started_at_ns() == 0) return "-";
  std::string stamp = Rfc3339(run.started_at_ns());
  return stamp.replace(stamp.find('.'), std::string::npos, "Z");
}

std::vector<std::string> ListRow(const v1::Run& run) {
  const v1::TransformerLm& model = run.workload().transformer_lm();
  return {run.run_id(),
          StartedCell(run),
          run.user(),
          run.device(),
          SizeName(model),
          PassName(model.pass_type()),
          std::to_string(model.batch_size()),
          std::to_string(model.context_length()),
          std::string(Word(model.precision())),
          OutcomeName(run.outcome()),
          StepCell(run),
          run.outcome() == v1::OUTCOME_OK ? NoteWords(run) : ReasonWords(run)};
}

}  // namespace

Grid RunListGrid(const std::vector<v1::Run>& runs) {
  Grid grid;
  grid.titles = {"run",   "started", "user",      "device",  "size",      "pass",
                 "batch", "context", "precision", "outcome", "step (ms)", "note"};
  for (const v1::Run& run : runs) grid.rows.push_back(ListRow(run));
  return grid;
}

Grid ColumnGrid(const std::vector<v1::Run>& runs, const std::vector<RunColumn>& columns) {
  const Sheet sheet = RunSheet(runs, columns);
  Grid grid;
  grid.titles = sheet.names;
  for (const auto& values : sheet.rows) {
    std::vector<std::string>& row = grid.rows.emplace_back();
    for (const Value& value : values) row.push_back(ValueText(value));
  }
  return grid;
}

}  // namespace torchlap::client::format
