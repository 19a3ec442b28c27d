#include <string_view>
#include <utility>

#include "client/format/run_columns.h"
#include "client/format/runs.h"
#include "client/format/sheet.h"
#include "client/format/subject.h"
#include "client/format/width.h"
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

std::string WordText(std::string_view word) {
  return word.empty() ? kNotApplicable : std::string(word);
}

std::string SweepText(const v1::Run& run) {
  return run.sweep_name().empty() ? std::to_string(run.sweep_id()) : run.sweep_name();
}

// The verdict has a column of its own; what led to it stays in the note.
std::string NoteText(const v1::Run& run) {
  if (run.outcome() != v1::OUTCOME_OK) return ReasonWords(run);
  return run.validity() == v1::VALIDITY_CLEAN ? ShrinkWords(run) : NoteWords(run);
}

std::vector<std::string> ListRow(const v1::Run& run) {
  const Subject subject = SubjectOf(run);
  return {run.run_id(),
          SweepText(run),
          StartedCell(run),
          run.user(),
          run.device(),
          WordText(Word(run.purpose())),
          subject.name,
          WordText(PassName(subject)),
          SizeText(subject.batch_size),
          SizeText(subject.context_length),
          WordText(subject.precision),
          OutcomeName(run.outcome()),
          StepTimeCell(run),
          WordText(Word(run.validity())),
          NoteText(run)};
}

// `01-31 12:00` of `2026-01-31T12:00:00Z`, UTC as everywhere.
std::string ShortTime(const std::string& stamp) {
  if (stamp.size() < 16) return stamp;
  return stamp.substr(5, 5) + " " + stamp.substr(11, 5);
}

void ShortenTimes(Grid* grid) {
  for (size_t i = 0; i < grid->titles.size(); ++i) {
    if (grid->titles[i] != "started") continue;
    for (auto& row : grid->rows) row[i] = ShortTime(row[i]);
  }
}

const Narrowing& InATerminal() {
  static const Narrowing how = {
      .width = 80,
      .above = {"sweep", "user", "device", "purpose", "pass", "batch", "context", "precision"},
      .drop = {"device", "precision", "user", "context", "batch", "note", "pass", "purpose",
               "sweep", "started"},
      .shorten = {"note", "size", "sweep"},
      .shortest = 12};
  return how;
}

}  // namespace

Grid RunListGrid(const std::vector<v1::Run>& runs) {
  Grid grid;
  grid.titles = {"run",   "sweep",   "started",   "user",    "device",    "purpose", "size", "pass",
                 "batch", "context", "precision", "outcome", "step (ms)", "verdict", "note"};
  for (const v1::Run& run : runs) grid.rows.push_back(ListRow(run));
  return grid;
}

std::vector<Block> NarrowRunList(const std::vector<v1::Run>& runs) {
  const Narrowing& how = InATerminal();
  Grid grid = RunListGrid(runs);
  ShortenTimes(&grid);
  const std::vector<std::string> constants = TakeConstants(how, &grid);
  const std::vector<std::string> gone = Narrow(how, &grid);
  std::vector<Block> blocks;
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  blocks.emplace_back(std::move(grid));
  if (!gone.empty()) blocks.emplace_back(Wrapped("--wide also shows:", gone, how.width));
  return blocks;
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
