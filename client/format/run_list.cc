#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/format/column_cells.h"
#include "client/format/evidence.h"
#include "client/format/run_columns.h"
#include "client/format/runs.h"
#include "client/format/sheet.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
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
  if (run.outcome() == v1::OUTCOME_OK && run.validity() != v1::VALIDITY_CLEAN) {
    return NoteWords(run);
  }
  std::vector<std::string> notes;
  for (const std::string& note :
       {InvalidWords(run), run.outcome() == v1::OUTCOME_OK ? ShrinkWords(run) : ReasonWords(run),
        run.invalid_reason().empty() ? ConditionWords(run) : ""}) {
    if (!note.empty()) notes.push_back(note);
  }
  return fmt::format("{}", fmt::join(notes, "; "));
}

// What names a run, and what it was of.
std::vector<std::string> NamingCells(const v1::Run& run) {
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
          WordText(subject.precision)};
}

std::string VerdictText(const v1::Run& run) { return WordText(VerdictWord(run)); }

void AddStepTime(const std::vector<v1::Run>& runs, const CellText& text, Grid* grid) {
  AddColumn("step (ms)", runs, text, grid);
  StrikeInvalid(runs, grid->titles.size() - 1, grid);
}

// `01-31 12:00`, UTC as everywhere.
std::string ShortTime(const v1::Run& run) {
  const std::string stamp = StartedCell(run);
  return stamp.size() < 16 ? stamp : stamp.substr(5, 5) + " " + stamp.substr(11, 5);
}

// The time of a step, or why there is none.
std::string ResultCell(const v1::Run& run) {
  const std::string time = StepTimeCell(run);
  return time == kNotApplicable ? OutcomeName(run.outcome()) : time;
}

bool IsIn(const std::string& title, const std::vector<std::string>& titles) {
  return std::find(titles.begin(), titles.end(), title) != titles.end();
}

// What tells runs of one list apart and is no column of every list.
void AddVaryingTraits(const std::vector<v1::Run>& runs, Grid* grid) {
  for (const Trait* trait : VaryingTraits(runs)) {
    if (IsIn(trait->title, grid->titles)) continue;
    const auto text = [trait](const v1::Run& run) { return WordText(trait->value(run)); };
    AddColumn(trait->title, runs, text, grid);
  }
}

Grid NamingGrid(const std::vector<v1::Run>& runs) {
  Grid grid;
  grid.titles = {"run",  "sweep", "started", "user",    "device",   "purpose",
                 "size", "pass",  "batch",   "context", "precision"};
  for (const v1::Run& run : runs) grid.rows.push_back(NamingCells(run));
  AddVaryingTraits(runs, &grid);
  return grid;
}

void ShortenTimes(const std::vector<v1::Run>& runs, Grid* grid) {
  const auto place = std::find(grid->titles.begin(), grid->titles.end(), "started");
  const auto column = static_cast<size_t>(place - grid->titles.begin());
  for (size_t i = 0; i < runs.size(); ++i) grid->rows[i][column] = ShortTime(runs[i]);
}

Grid ShortList(const std::vector<v1::Run>& runs) {
  Grid grid = NamingGrid(runs);
  ShortenTimes(runs, &grid);
  AddStepTime(runs, ResultCell, &grid);
  AddColumn("verdict", runs, VerdictText, &grid);
  AddColumnIfAny(
      "note", runs, [](const v1::Run& run) { return !NoteText(run).empty(); }, NoteText, &grid);
  return grid;
}

// To the last row.
void AddCells(const std::vector<RunColumn>& columns, const std::vector<Value>& values,
              const std::string& mark, const v1::Run& run, Grid* grid) {
  const bool does_not_count = run.outcome() == v1::OUTCOME_OK && !run.invalid_reason().empty();
  for (size_t i = 0; i < columns.size(); ++i) {
    std::string& cell = grid->rows.back().emplace_back(ColumnCell(columns[i], values[i], run));
    if (!IsMeasured(columns[i]) || cell == kNotApplicable) continue;
    cell += mark;
    if (does_not_count) grid->struck.emplace(grid->rows.size() - 1, grid->titles[i]);
  }
}

// What differs goes last: without it the rows are all the same.
const Narrowing& InATerminal() {
  static const Narrowing how = {
      .width = 80,
      .above = {"sweep", "user", "device", "purpose", "size", "pass", "batch", "context",
                "precision", "verdict"},
      .drop = {"edition", "timing", "memory", "target", "device", "user", "note", "optimizer",
               "execution", "steps", "warm-up", "attention", "purpose", "sweep", "context", "batch",
               "precision", "pass", "started"},
      .shorten = {"note", "size", "sweep", "pass"},
      .shortest = 12};
  return how;
}

}  // namespace

Grid RunListGrid(const std::vector<v1::Run>& runs) {
  Grid grid = NamingGrid(runs);
  AddColumn(
      "outcome", runs, [](const v1::Run& run) { return OutcomeName(run.outcome()); }, &grid);
  AddStepTime(runs, StepTimeCell, &grid);
  AddColumn("verdict", runs, VerdictText, &grid);
  AddColumn("note", runs, NoteText, &grid);
  return grid;
}

std::vector<Block> NarrowRunList(const std::vector<v1::Run>& runs) {
  if (runs.empty()) return {};
  const Narrowing& how = InATerminal();
  Grid grid = ShortList(runs);
  const std::vector<std::string> constants = TakeConstants(how, &grid);
  const std::vector<std::string> gone = Narrow(how, &grid);
  std::vector<Block> blocks;
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  blocks.emplace_back(std::move(grid));
  if (!gone.empty()) blocks.emplace_back(Wrapped("--wide also shows:", gone, how.width));
  return blocks;
}

std::vector<Block> ColumnBlocks(const std::vector<v1::Run>& runs,
                                const std::vector<RunColumn>& columns) {
  const CellNotes notes(runs);
  Grid grid;
  for (const RunColumn& column : columns) grid.titles.push_back(ColumnTitle(column));
  RunValues values(columns);
  for (const v1::Run& run : runs) {
    grid.rows.emplace_back();
    AddCells(columns, values.Of(run), notes.MarkOf(run), run, &grid);
  }
  std::vector<Block> blocks = {Block(std::move(grid))};
  const bool has_numbers = std::any_of(columns.begin(), columns.end(), IsMeasured);
  Lines explained = has_numbers ? notes.Explained() : Lines();
  if (!explained.empty()) blocks.emplace_back(std::move(explained));
  return blocks;
}

}  // namespace torchlap::client::format
