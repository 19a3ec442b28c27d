#include "client/format/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/sheet.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/width.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

using Findings = google::protobuf::RepeatedPtrField<v1::CellFinding>;

constexpr double kMillisecondNs = 1e6;

std::string StateText(const v1::CellFinding& finding) {
  std::string text(Word(finding.state()));
  if (!finding.subject().invalid_reason().empty()) text += ", run invalid";
  return text;
}

std::string BeforeAndAfter(const v1::CellFinding& finding) {
  return fmt::format("{} -> {}", Significant(finding.before_ns() / kMillisecondNs, 4),
                     Significant(finding.after_ns() / kMillisecondNs, 4));
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string NumberOrDash(uint32_t number) { return number == 0 ? "-" : std::to_string(number); }

void Append(std::vector<std::string> more, std::vector<std::string>* to) {
  to->insert(to->end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// As CellTitles names them. Of a run that cannot be read nothing is known.
std::vector<std::string> CellTexts(const v1::CellFinding& finding) {
  if (!finding.has_subject()) return {"?", "?", "?", "?", "?", "?", "?"};
  const Subject subject = SubjectOf(finding.subject());
  return {OrDash(subject.name),
          OrDash(PassName(subject)),
          NumberOrDash(subject.batch_size),
          NumberOrDash(subject.context_length),
          OrDash(subject.precision),
          OrDash(subject.attention),
          OrDash(finding.subject().device())};
}

const std::vector<std::string>& CellTitles() {
  static const std::vector<std::string> titles = {"size",      "pass",      "batch", "context",
                                                  "precision", "attention", "device"};
  return titles;
}

std::vector<v1::Run> SubjectsOf(const Findings& findings) {
  std::vector<v1::Run> runs;
  for (const v1::CellFinding& finding : findings) runs.push_back(finding.subject());
  return runs;
}

// What else tells cells apart, such as the optimizer.
void AddVaryingTraits(const Findings& findings, Grid* grid) {
  const std::vector<v1::Run> runs = SubjectsOf(findings);
  std::vector<v1::Run> known;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(known),
               [](const v1::Run& run) { return run.has_workload(); });
  for (const Trait* trait : VaryingTraits(known)) {
    const auto& titles = grid->titles;
    if (std::find(titles.begin(), titles.end(), trait->title) != titles.end()) continue;
    AddColumn(
        trait->title, runs, [trait](const v1::Run& run) { return OrDash(trait->value(run)); },
        grid);
  }
}

Grid CellGrid(const Findings& findings) {
  Grid grid;
  grid.titles = {"finding", "state"};
  Append(CellTitles(), &grid.titles);
  for (const v1::CellFinding& finding : findings) {
    std::vector<std::string>& row = grid.rows.emplace_back();
    row = {std::to_string(finding.finding_id()), StateText(finding)};
    Append(CellTexts(finding), &row);
  }
  AddVaryingTraits(findings, &grid);
  return grid;
}

std::vector<std::string> ChangeTexts(const v1::CellFinding& finding) {
  return {BeforeAndAfter(finding),
          ChangeOf(finding),
          finding.against_baseline() ? "baseline" : "its past",
          UtcMinute(finding.found_at_ns()),
          finding.subject().run_id(),
          ChangesText(finding.changes()),
          finding.suite(),
          finding.user(),
          finding.why()};
}

Grid GridOf(const Findings& findings) {
  Grid grid = CellGrid(findings);
  Append({"step (ms)", "change", "against", "since (UTC)", "first run", "what changed", "suite",
          "user", "why"},
         &grid.titles);
  for (int i = 0; i < findings.size(); ++i) {
    Append(ChangeTexts(findings[i]), &grid.rows[static_cast<size_t>(i)]);
  }
  return grid;
}

// What all cells have in common stands above. The last that is dropped is first.
Narrowing HowToNarrow() {
  return {.above = {"size", "pass", "batch", "context", "precision", "attention", "device",
                    "against", "suite", "user"},
          .drop = {"first run", "user",   "suite",    "against",     "warm-up",      "steps",
                   "memory",    "target", "launches", "edition",     "timing",       "execution",
                   "optimizer", "device", "why",      "since (UTC)", "what changed", "step (ms)",
                   "attention", "pass",   "batch",    "precision",   "context"},
          .shorten = {"what changed", "why", "size", "pass", "state"},
          .shortest = 12};
}

// Values that no finding has are no column.
void LeaveOutEmpty(const std::string& title, Grid* grid) {
  for (size_t i = 0; i < grid->titles.size(); ++i) {
    if (grid->titles[i] != title) continue;
    for (const auto& row : grid->rows) {
      if (!row[i].empty()) return;
    }
    const auto column = static_cast<std::ptrdiff_t>(i);
    grid->titles.erase(grid->titles.begin() + column);
    for (auto& row : grid->rows) row.erase(row.begin() + column);
    return;
  }
}

std::vector<Value> SheetRow(const v1::CellFinding& finding) {
  const v1::Run& run = finding.subject();
  const Subject subject = SubjectOf(run);
  const Value closed =
      finding.closed_at_ns() == 0 ? Value() : Value(Rfc3339(finding.closed_at_ns()));
  return {finding.finding_id(),
          std::string(Word(finding.state())),
          finding.why(),
          finding.user(),
          finding.suite(),
          CellWords(finding),
          subject.precision,
          subject.attention,
          run.device(),
          run.series_key(),
          run.run_id(),
          run.invalid_reason(),
          finding.before_ns() / kMillisecondNs,
          finding.after_ns() / kMillisecondNs,
          finding.ratio(),
          finding.against_baseline(),
          Rfc3339(finding.found_at_ns()),
          Rfc3339(finding.seen_at_ns()),
          closed,
          ChangesText(finding.changes())};
}

Sheet SheetOf(const Findings& findings) {
  Sheet sheet;
  sheet.names = {"finding_id",       "state",          "why",       "user",      "suite",
                 "workload",         "precision",      "attention", "device",    "series_key",
                 "run_id",           "invalid_reason", "before_ms", "after_ms",  "ratio",
                 "against_baseline", "found_at",       "seen_at",   "closed_at", "changes"};
  for (const v1::CellFinding& finding : findings) sheet.rows.push_back(SheetRow(finding));
  return sheet;
}

std::string SetLine(const v1::CellFinding& finding) {
  std::string line = fmt::format("finding {} is {}", finding.finding_id(), Word(finding.state()));
  if (!finding.why().empty()) line += ": " + finding.why();
  return line;
}

}  // namespace

std::string CellWords(const v1::CellFinding& finding) {
  return finding.has_subject() ? WorkloadWords(finding.subject().workload()) : "?";
}

std::string ChangeOf(const v1::CellFinding& finding) {
  return finding.ratio() > 0 ? SignedPercent(finding.ratio() - 1) : "-";
}

std::vector<Block> FindingBlocks(const Findings& findings, bool in_short) {
  std::vector<Block> blocks;
  if (findings.empty()) return blocks;
  Grid grid = GridOf(findings);
  for (const char* title : {"what changed", "suite", "why"}) LeaveOutEmpty(title, &grid);
  const Narrowing how = HowToNarrow();
  const std::vector<std::string> constants = TakeConstants(how, &grid);
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  const std::vector<std::string> gone = in_short ? Narrow(how, &grid) : std::vector<std::string>();
  blocks.emplace_back(std::move(grid));
  if (!gone.empty()) blocks.emplace_back(Wrapped("--format csv also has:", gone, how.width));
  return blocks;
}

std::vector<Block> ShortFindingBlocks(const Findings& findings, size_t most_lines) {
  std::vector<Block> blocks;
  if (findings.empty()) return blocks;
  Grid grid = CellGrid(findings);
  const Narrowing how = HowToNarrow();
  grid.titles.emplace_back("change");
  for (int i = 0; i < findings.size(); ++i) {
    grid.rows[static_cast<size_t>(i)].push_back(ChangeOf(findings[i]));
  }
  Lines lines = Wrapped("", TakeConstants(how, &grid), how.width);
  if (lines.size() > most_lines) lines.resize(most_lines);
  Narrow(how, &grid);
  if (!lines.empty()) blocks.emplace_back(std::move(lines));
  blocks.emplace_back(std::move(grid));
  return blocks;
}

Document ListFindings(const v1::ListFindingsResponse& response, bool in_short) {
  Document document;
  document.blocks = [response, in_short] { return FindingBlocks(response.findings(), in_short); };
  document.rows = RowsOf(SheetOf(response.findings()));
  return document;
}

Document ShowFindingSet(const v1::SetFindingResponse& response) {
  Findings one;
  *one.Add() = response.finding();
  Document document;
  document.blocks = [line = SetLine(response.finding())] {
    return std::vector<Block>{Lines{line}};
  };
  document.rows = RowsOf(SheetOf(one));
  document.rows.is_single = true;
  return document;
}

}  // namespace torchlap::client::format
