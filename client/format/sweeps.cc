#include "client/format/sweeps.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "client/format/width.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

using Counts = std::vector<std::pair<const char*, uint32_t>>;

Counts JobCounts(const v1::Sweep& sweep) {
  return {{"queued", sweep.queued_jobs()},
          {"running", sweep.running_jobs()},
          {"succeeded", sweep.succeeded_jobs()},
          {"failed", sweep.failed_jobs()},
          {"cancelled", sweep.cancelled_jobs()}};
}

Counts RunCounts(const v1::Sweep& sweep) {
  return {{"clean", sweep.clean_runs()},
          {"unverified", sweep.unverified_runs()},
          {"suspect", sweep.suspect_runs()},
          {"contaminated", sweep.contaminated_runs()}};
}

// `2 succeeded, 1 failed`
std::string CountsText(const Counts& counts) {
  std::string text;
  for (const auto& [what, count] : counts) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  }
  return text.empty() ? "-" : text;
}

// `2026-01-31 12:00`, UTC.
std::string ShortTime(int64_t unix_ns) {
  const std::string stamp = Rfc3339(unix_ns);
  return stamp.substr(0, 10) + " " + stamp.substr(11, 5);
}

std::vector<std::string> GridRow(const v1::Sweep& sweep) {
  return {std::to_string(sweep.sweep_id()),   sweep.name().empty() ? "-" : sweep.name(),
          ShortTime(sweep.submitted_at_ns()), sweep.user(),
          std::string(Word(sweep.purpose())), CountsText(JobCounts(sweep)),
          CountsText(RunCounts(sweep))};
}

Value TextOrUnknown(const std::string& text) {
  if (text.empty()) return {};
  return text;
}

std::vector<Value> SheetRow(const v1::Sweep& sweep) {
  std::vector<Value> row = {uint64_t{sweep.sweep_id()}, TextOrUnknown(sweep.name()),
                            TextOrUnknown(sweep.user()), Rfc3339(sweep.submitted_at_ns()),
                            TextOrUnknown(std::string(Word(sweep.purpose())))};
  for (const auto& [what, count] : JobCounts(sweep)) row.emplace_back(uint64_t{count});
  for (const auto& [what, count] : RunCounts(sweep)) row.emplace_back(uint64_t{count});
  return row;
}

std::vector<Block> SweepBlocks(const std::vector<v1::Sweep>& sweeps) {
  const Narrowing how = {.above = {"user", "purpose"},
                         .drop = {"user", "purpose"},
                         .shorten = {"name", "verdicts", "jobs"},
                         .shortest = 12};
  Grid grid;
  grid.titles = {"sweep", "name", "submitted", "user", "purpose", "jobs", "verdicts"};
  for (const v1::Sweep& sweep : sweeps) grid.rows.push_back(GridRow(sweep));
  const std::vector<std::string> constants = TakeConstants(how, &grid);
  Narrow(how, &grid);
  std::vector<Block> blocks;
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  blocks.emplace_back(std::move(grid));
  return blocks;
}

}  // namespace

Document ListSweeps(const std::vector<v1::Sweep>& sweeps) {
  Sheet sheet;
  sheet.names = {"sweep_id", "name", "user", "submitted_at", "purpose"};
  const v1::Sweep none;
  for (const auto& [what, count] : JobCounts(none))
    sheet.names.push_back(what + std::string("_jobs"));
  for (const auto& [what, count] : RunCounts(none))
    sheet.names.push_back(what + std::string("_runs"));
  for (const v1::Sweep& sweep : sweeps) sheet.rows.push_back(SheetRow(sweep));
  Document document;
  document.blocks = [sweeps] { return SweepBlocks(sweeps); };
  document.rows = RowsOf(std::move(sheet));
  return document;
}

}  // namespace torchlap::client::format
