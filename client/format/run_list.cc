#include "client/format/run_columns.h"
#include "client/format/runs.h"
#include "client/format/sheet.h"
#include "client/format/subject.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

// To the second: the full stamp is in csv and json.
std::string StartedCell(const v1::Run& run) {
  if (run.started_at_ns() == 0) return "-";
  std::string stamp = Rfc3339(run.started_at_ns());
  return stamp.replace(stamp.find('.'), std::string::npos, "Z");
}

// A calibration has no sizes.
std::string SizeText(uint32_t size) { return size == 0 ? kNotApplicable : std::to_string(size); }

std::string WordText(const std::string& word) { return word.empty() ? kNotApplicable : word; }

std::vector<std::string> ListRow(const v1::Run& run) {
  const Subject subject = SubjectOf(run);
  return {run.run_id(),
          StartedCell(run),
          run.user(),
          run.device(),
          subject.name,
          WordText(PassName(subject)),
          SizeText(subject.batch_size),
          SizeText(subject.context_length),
          WordText(subject.precision),
          OutcomeName(run.outcome()),
          StepTimeCell(run),
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
