#include "client/format/sweeps.h"

#include <fmt/format.h>

#include <algorithm>
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

// The worst first: `1 failed, 2 succeeded`, in short `1 failed of 3`.
std::string CountsText(Counts counts, bool in_short) {
  std::string text;
  uint32_t all = 0;
  for (const auto& [what, count] : counts) all += count;
  const uint32_t good = counts.back().second;
  const bool leaves_out = in_short && good > 0 && good < all;
  if (leaves_out) counts.pop_back();
  for (const auto& [what, count] : counts) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  }
  if (leaves_out) text += fmt::format(" of {}", all);
  return text.empty() ? "-" : text;
}

std::string JobsText(const v1::Sweep& sweep, bool in_short) {
  return CountsText({{"failed", sweep.failed_jobs()},
                     {"cancelled", sweep.cancelled_jobs()},
                     {"running", sweep.running_jobs()},
                     {"queued", sweep.queued_jobs()},
                     {"succeeded", sweep.succeeded_jobs()}},
                    in_short);
}

std::string VerdictsText(const v1::Sweep& sweep, bool in_short) {
  Counts counts = RunCounts(sweep);
  std::reverse(counts.begin(), counts.end());
  return CountsText(std::move(counts), in_short);
}

// `2026-01-31 12:00`, UTC; in short without the year.
std::string TimeText(int64_t unix_ns, bool in_short) {
  const std::string stamp = Rfc3339(unix_ns);
  const std::string day = in_short ? stamp.substr(5, 5) : stamp.substr(0, 10);
  return day + " " + stamp.substr(11, 5);
}

std::vector<std::string> GridRow(const v1::Sweep& sweep, bool in_short) {
  return {std::to_string(sweep.sweep_id()),
          sweep.name().empty() ? "-" : sweep.name(),
          TimeText(sweep.submitted_at_ns(), in_short),
          sweep.user(),
          std::string(Word(sweep.purpose())),
          JobsText(sweep, in_short),
          VerdictsText(sweep, in_short)};
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

std::vector<Block> SweepBlocks(const std::vector<v1::Sweep>& sweeps, bool for_terminal) {
  const Narrowing how = {.above = {"user", "purpose"},
                         .drop = {"user", "purpose"},
                         .shorten = {"name"},
                         .shortest = 12};
  Grid grid;
  grid.titles = {"sweep", "name", "submitted", "user", "purpose", "jobs", "verdicts"};
  for (const v1::Sweep& sweep : sweeps) grid.rows.push_back(GridRow(sweep, for_terminal));
  const std::vector<std::string> constants = TakeConstants(how, &grid);
  if (for_terminal) Narrow(how, &grid);
  std::vector<Block> blocks;
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  blocks.emplace_back(std::move(grid));
  return blocks;
}

}  // namespace

Document ListSweeps(const std::vector<v1::Sweep>& sweeps, bool for_terminal) {
  Sheet sheet;
  sheet.names = {"sweep_id", "name", "user", "submitted_at", "purpose"};
  const v1::Sweep none;
  for (const auto& [what, count] : JobCounts(none))
    sheet.names.push_back(what + std::string("_jobs"));
  for (const auto& [what, count] : RunCounts(none))
    sheet.names.push_back(what + std::string("_runs"));
  for (const v1::Sweep& sweep : sweeps) sheet.rows.push_back(SheetRow(sweep));
  Document document;
  document.blocks = [sweeps, for_terminal] { return SweepBlocks(sweeps, for_terminal); };
  document.rows = RowsOf(std::move(sheet));
  return document;
}

}  // namespace torchlap::client::format
