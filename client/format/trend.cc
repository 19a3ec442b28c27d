#include "client/format/trend.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "client/format/numbers.h"
#include "client/format/sheet.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "client/time_words.h"

namespace torchlap::client::format {
namespace {

constexpr double kMillisecondNs = 1e6;
constexpr size_t kMostDateTicks = 5;

std::string Milliseconds(double ns) { return Significant(ns / kMillisecondNs, 4); }

std::string Day(int64_t unix_ns) { return Rfc3339(unix_ns).substr(0, 10); }

// Damaged or of a newer service, a step may name a point that is not there.
bool IsPoint(const v1::TrendSeries& series, const v1::TrendStep& step) {
  return step.point() < static_cast<uint32_t>(series.points_size());
}

const v1::TrendPoint& PointAfter(const v1::TrendSeries& series, const v1::TrendStep& step) {
  return series.points(static_cast<int>(step.point()));
}

std::string ChangeCell(const v1::TrendStep& step) {
  return step.before_ns() > 0 ? SignedPercent(step.after_ns() / step.before_ns() - 1) : "-";
}

Grid StepGrid(const v1::TrendSeries& series) {
  Grid grid;
  grid.titles = {"step at (UTC)", "before (ms)",  "after (ms)",
                 "change",        "what changed", "first run"};
  for (const v1::TrendStep& step : series.steps()) {
    if (!IsPoint(series, step)) continue;
    const v1::TrendPoint& point = PointAfter(series, step);
    grid.rows.push_back({UtcMinute(point.started_at_ns()), Milliseconds(step.before_ns()),
                         Milliseconds(step.after_ns()), ChangeCell(step), ChangeWords(step),
                         point.run_id()});
  }
  return grid;
}

std::string RunsSince(const v1::TrendSeries& series) {
  std::string words = Counted(static_cast<uint64_t>(series.points_size()), "run");
  if (!series.points().empty()) words += " since " + Day(series.points(0).started_at_ns());
  return words;
}

std::string MinEffectWords(const v1::TrendSeries& series) {
  std::string words =
      fmt::format("differences below {} are not looked for", PercentShort(series.min_effect()));
  const uint32_t launches = series.min_effect_launches();
  if (launches > 0) words += fmt::format(", learned from {} launches", launches);
  return words;
}

std::string LeftOutWords(const v1::TrendSeries& series) {
  if (series.contaminated_runs() == 0) return "";
  return fmt::format(", {} contaminated left out", series.contaminated_runs());
}

// Below a table of steps, or instead of one.
std::string SummaryLine(const v1::TrendSeries& series, uint32_t method_version) {
  const std::string left_out = LeftOutWords(series);
  if (series.steps().empty()) {
    return fmt::format("no step in {}{} ({}; method {})", RunsSince(series), left_out,
                       MinEffectWords(series), method_version);
  }
  return fmt::format("{} in {}{} ({}; method {})",
                     Counted(static_cast<uint64_t>(series.steps_size()), "step"), RunsSince(series),
                     left_out, MinEffectWords(series), method_version);
}

std::string BaselineLine(const v1::TrendSeries& series) {
  if (!series.has_baseline_ns()) return "";
  std::string line =
      fmt::format("baseline {} ms ({})", Milliseconds(series.baseline_ns()),
                  Counted(static_cast<uint64_t>(series.baseline_run_ids_size()), "run"));
  if (!series.points().empty() && series.baseline_ns() > 0) {
    const double last_ns = series.points(series.points_size() - 1).median_ns();
    line += fmt::format("; the last run: {}", SignedPercent(last_ns / series.baseline_ns() - 1));
  }
  return line;
}

// What the series is stands above its plot, else it is the caption of its table.
std::vector<Block> SeriesBlocks(const v1::TrendSeries& series, uint32_t method_version,
                                const TrendView& view) {
  const std::string caption = CaptionWithModel({series.subject()});
  Grid steps = StepGrid(series);
  std::vector<Block> blocks;
  if (view.plot || steps.rows.empty()) {
    blocks.emplace_back(Lines{caption});
    steps.key = {caption};
  } else {
    steps.caption = caption;
  }
  if (view.plot) blocks.emplace_back(Drawing{DrawPlot(TrendPlot(series, view), *view.plot)});
  if (!steps.rows.empty()) blocks.emplace_back(std::move(steps));
  Lines lines = {SummaryLine(series, method_version)};
  if (std::string baseline = BaselineLine(series); !baseline.empty()) lines.push_back(baseline);
  blocks.emplace_back(std::move(lines));
  return blocks;
}

std::vector<Block> Blocks(const v1::GetTrendResponse& response, const TrendView& view) {
  std::vector<Block> blocks;
  for (const v1::TrendSeries& series : response.series()) {
    std::vector<Block> of_series = SeriesBlocks(series, response.method_version(), view);
    // A table that has a caption stands apart by itself.
    const bool begins_apart = std::holds_alternative<Grid>(of_series.front());
    if (!blocks.empty() && !begins_apart) blocks.emplace_back(Lines{""});
    for (Block& block : of_series) blocks.push_back(std::move(block));
  }
  return blocks;
}

std::vector<bool> StepPoints(const v1::TrendSeries& series) {
  std::vector<bool> is_step(static_cast<size_t>(series.points_size()), false);
  for (const v1::TrendStep& step : series.steps()) {
    if (IsPoint(series, step)) is_step[step.point()] = true;
  }
  return is_step;
}

// What changed before each point, for programs: unknown where nothing did that torchlap knows of.
std::vector<Value> ChangesAtPoints(const v1::TrendSeries& series) {
  std::vector<Value> changes(static_cast<size_t>(series.points_size()));
  for (const v1::TrendStep& step : series.steps()) {
    std::string text = ChangesText(step.changes());
    if (IsPoint(series, step) && !text.empty()) changes[step.point()] = std::move(text);
  }
  return changes;
}

void AddRows(const v1::TrendSeries& series, const std::string& phase, uint32_t method_version,
             Sheet* sheet) {
  const std::vector<bool> is_step = StepPoints(series);
  const std::vector<uint32_t> segments = SegmentsOf(series);
  const std::vector<Value> changes = ChangesAtPoints(series);
  for (size_t i = 0; i < is_step.size(); ++i) {
    const v1::TrendPoint& point = series.points(static_cast<int>(i));
    sheet->rows.push_back({series.subject().series_key(), point.run_id(),
                           Rfc3339(point.started_at_ns()), point.median_ns() / kMillisecondNs,
                           uint64_t{segments[i]}, bool{is_step[i]}, phase, uint64_t{method_version},
                           changes[i]});
  }
}

// New columns go behind the others: a reader may count them.
Sheet PointSheet(const v1::GetTrendResponse& response, const std::string& phase) {
  Sheet sheet;
  sheet.names = {"series_key", "run_id", "started_at",     "median_ms",   "segment",
                 "is_step",    "phase",  "method_version", "what_changed"};
  for (const v1::TrendSeries& series : response.series()) {
    AddRows(series, phase, response.method_version(), &sheet);
  }
  return sheet;
}

// Dates below some of the runs; times of day where all are of one day.
std::vector<Tick> DateTicks(const v1::TrendSeries& series) {
  const auto count = static_cast<size_t>(series.points_size());
  const auto stamp = [&](size_t i) {
    return Rfc3339(series.points(static_cast<int>(i)).started_at_ns());
  };
  const bool is_one_day = stamp(0).substr(0, 10) == stamp(count - 1).substr(0, 10);
  const size_t ticks = std::min(count, kMostDateTicks);
  std::vector<Tick> labels;
  for (size_t i = 0; i < ticks; ++i) {
    const size_t at = ticks == 1 ? 0 : i * (count - 1) / (ticks - 1);
    labels.push_back(
        {static_cast<double>(at), is_one_day ? stamp(at).substr(11, 5) : stamp(at).substr(5, 5)});
  }
  return labels;
}

double MedianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// From its first run to its last, in the middle of what they took.
PlotLine SegmentLine(const std::vector<PlotPoint>& points, const char* name) {
  std::vector<double> values;
  for (const PlotPoint& point : points) values.push_back(point.y);
  const double median = MedianOf(std::move(values));
  return {name, Pen::kThick, {{points.front().x, median}, {points.back().x, median}}};
}

std::vector<PlotPoint> PointsOf(const v1::TrendSeries& series) {
  std::vector<PlotPoint> points;
  for (const v1::TrendPoint& point : series.points()) {
    points.push_back({static_cast<double>(points.size()), point.median_ns() / kMillisecondNs});
  }
  return points;
}

void AddSegments(const v1::TrendSeries& series, const std::vector<PlotPoint>& points, Plot* plot) {
  const std::vector<bool> is_step = StepPoints(series);
  std::vector<PlotPoint> segment;
  const char* name = "median between steps";
  for (size_t i = 0; i < points.size(); ++i) {
    if (is_step[i] && !segment.empty()) {
      plot->lines.push_back(SegmentLine(std::exchange(segment, {}), std::exchange(name, "")));
    }
    segment.push_back(points[i]);
  }
  plot->lines.push_back(SegmentLine(segment, name));
}

}  // namespace

std::vector<uint32_t> SegmentsOf(const v1::TrendSeries& series) {
  std::vector<uint32_t> segments;
  uint32_t segment = 1;
  for (const bool is_step : StepPoints(series)) {
    if (is_step) ++segment;
    segments.push_back(segment);
  }
  return segments;
}

std::string ChangeWords(const v1::TrendStep& step) {
  const std::string changes = ChangesText(step.changes());
  return changes.empty() ? "nothing that torchlap knows of" : changes;
}

Plot TrendPlot(const v1::TrendSeries& series, const TrendView& view) {
  Plot plot;
  if (series.points().empty()) return plot;
  plot.y.title = view.phase + " median (ms)";
  plot.x.title = "runs in order, " + RunsSince(series).substr(RunsSince(series).find("since"));
  plot.x.ticks = DateTicks(series);
  const std::vector<PlotPoint> points = PointsOf(series);
  plot.lines.push_back({"run", Pen::kMarks, points});
  AddSegments(series, points, &plot);
  if (series.has_baseline_ns()) {
    const double baseline_ms = series.baseline_ns() / kMillisecondNs;
    plot.lines.push_back({"baseline",
                          Pen::kThin,
                          {{points.front().x, baseline_ms}, {points.back().x, baseline_ms}}});
  }
  PlotLine steps{"step", Pen::kVertical, {}};
  for (const v1::TrendStep& step : series.steps()) {
    if (IsPoint(series, step)) steps.points.push_back({step.point() - 0.5, 0});
  }
  plot.lines.push_back(std::move(steps));
  return plot;
}

Document ShowTrend(const v1::GetTrendResponse& response, const TrendView& view) {
  Document document;
  document.blocks = [response, view] { return Blocks(response, view); };
  document.rows = RowsOf(PointSheet(response, view.phase));
  document.object = TrendObject(response, view.phase);
  return document;
}

}  // namespace torchlap::client::format
