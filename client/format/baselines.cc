#include "client/format/baselines.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "client/format/numbers.h"
#include "client/format/sheet.h"
#include "client/format/subject.h"
#include "client/format/width.h"
#include "client/format/words.h"
#include "client/time_words.h"

namespace torchlap::client::format {
namespace {

constexpr double kMillisecondNs = 1e6;

std::string SetLine(const v1::SetBaselineResponse& response) {
  std::string counts = Counted(response.runs(), "run");
  if (response.replaced_series() > 0) {
    counts += fmt::format("; {} had one before", response.replaced_series());
  }
  return fmt::format("baseline of {} series ({}) set; compare with: torchlap compare baseline last",
                     response.series(), counts);
}

std::string ClearedLine(const v1::ClearBaselineResponse& response) {
  if (response.series() == 0) return "no series had a baseline";
  return fmt::format("baseline of {} series cleared", response.series());
}

// One line for people, one row for programs.
Document OneThing(std::string line, std::vector<std::string> names, std::vector<Value> values) {
  Sheet sheet;
  sheet.names = std::move(names);
  sheet.rows.push_back(std::move(values));
  Document document;
  document.blocks = [line = std::move(line)] { return std::vector<Block>{Lines{line}}; };
  document.rows = RowsOf(std::move(sheet));
  document.rows.is_single = true;
  return document;
}

std::string RunIds(const v1::BaselineSeries& series) {
  return fmt::format("{}", fmt::join(series.run_ids(), " "));
}

std::vector<std::string> GridRow(const v1::BaselineSeries& series) {
  const Subject subject = SubjectOf(series.subject());
  return {subject.name,
          PassName(subject),
          std::to_string(subject.batch_size),
          std::to_string(subject.context_length),
          subject.precision,
          subject.attention,
          series.subject().device(),
          Significant(series.step_median_ns() / kMillisecondNs, 4),
          std::to_string(series.run_ids_size()),
          UtcMinute(series.set_at_ns()),
          series.reason()};
}

std::vector<Block> Blocks(const v1::ListBaselinesResponse& response, bool in_short) {
  Grid grid;
  grid.titles = {"size",   "pass",      "batch", "context",   "precision", "attention",
                 "device", "step (ms)", "runs",  "set (UTC)", "reason"};
  for (const v1::BaselineSeries& series : response.series()) grid.rows.push_back(GridRow(series));
  // What tells the series apart goes last.
  const Narrowing how = {
      .above = {"size", "pass", "batch", "context", "precision", "attention", "device",
                "set (UTC)"},
      .drop = {"runs", "set (UTC)", "attention", "device", "pass", "precision", "batch", "context"},
      .shorten = {"reason", "size"},
      .shortest = 12};
  std::vector<Block> blocks;
  const std::vector<std::string> constants = TakeConstants(how, &grid);
  if (!constants.empty()) blocks.emplace_back(Wrapped("", constants, how.width));
  const std::vector<std::string> gone = in_short ? Narrow(how, &grid) : std::vector<std::string>();
  blocks.emplace_back(std::move(grid));
  if (!gone.empty()) blocks.emplace_back(Wrapped("--format csv also has:", gone, how.width));
  return blocks;
}

// By size, as the result table has its rows, then by what else tells them apart.
bool IsBefore(const v1::BaselineSeries& a, const v1::BaselineSeries& b) {
  const auto place = [](const v1::BaselineSeries& series) {
    const v1::Run& run = series.subject();
    const Subject subject = SubjectOf(run);
    return std::tuple(run.parameters(), subject.name, subject.pass, subject.batch_size,
                      subject.context_length, subject.precision, subject.attention, run.device());
  };
  return place(a) < place(b);
}

Sheet SeriesSheet(const v1::ListBaselinesResponse& response) {
  Sheet sheet;
  sheet.names = {"series_key",     "workload", "precision", "attention", "device",
                 "step_median_ms", "run_ids",  "reason",    "set_at"};
  for (const v1::BaselineSeries& series : response.series()) {
    const v1::Run& run = series.subject();
    const Subject subject = SubjectOf(run);
    sheet.rows.push_back({run.series_key(), WorkloadWords(run.workload()), subject.precision,
                          subject.attention, run.device(), series.step_median_ns() / kMillisecondNs,
                          RunIds(series), series.reason(), Rfc3339(series.set_at_ns())});
  }
  return sheet;
}

}  // namespace

Document ShowBaselineSet(const v1::SetBaselineResponse& response) {
  return OneThing(SetLine(response), {"series", "runs", "replaced_series"},
                  {uint64_t{response.series()}, uint64_t{response.runs()},
                   uint64_t{response.replaced_series()}});
}

Document ShowBaselineCleared(const v1::ClearBaselineResponse& response) {
  return OneThing(ClearedLine(response), {"series"}, {uint64_t{response.series()}});
}

Document ListBaselines(v1::ListBaselinesResponse response, bool in_short) {
  std::stable_sort(response.mutable_series()->begin(), response.mutable_series()->end(), IsBefore);
  Document document;
  document.rows = RowsOf(SeriesSheet(response));
  document.blocks = [response = std::move(response), in_short] {
    return Blocks(response, in_short);
  };
  return document;
}

}  // namespace torchlap::client::format
