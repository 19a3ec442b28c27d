// Charts as SVG inside a page, without scripts. Across, every position is a share of the plot in
// percent, so that a chart is as wide as its box while letters keep their size; down, positions are
// pixels. Names, values and ticks stand beside the plot, in the padding that ChartStyle gives its
// box. What a chart shows by colour it shows by a name, a form or a line too. Pure; all words are
// escaped here. A chart without a finite number is empty text.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace torchlap::client::format {

// A value and the interval around it.
struct ChartBar {
  std::string name;  // before the bar
  std::string kind;  // a class of ChartStyle: forward, loss, backward, optimizer, step, memory
  double value = 0;
  std::optional<double> low;
  std::optional<double> high;
  std::string text;   // behind the bar
  std::string title;  // shown when pointed at
};

struct BarGroup {
  std::string name;
  std::string note;  // in place of bars that are not there
  std::vector<ChartBar> bars;
};

// A line across the plot, at a value.
struct ChartRule {
  double at = 0;
  std::string text;
};

// Bars from 0 to the right, with whiskers from low to high.
struct BarChart {
  std::string label;  // read out in place of the picture
  std::string unit;   // of the axis
  std::vector<BarGroup> groups;
  std::optional<ChartRule> limit;
};
std::string SvgBars(const BarChart& chart);

// What a point of a line is.
enum class PointKind { kPlain, kWarmup, kDisturbed };

struct LinePoint {
  double x = 0;
  double y = 0;
  PointKind kind = PointKind::kPlain;
  std::string title;
};

// From one x to another.
struct ChartBand {
  double from = 0;
  double to = 0;
  PointKind kind = PointKind::kWarmup;
  std::string title;
};

// Points joined by a line. Above or below the range a point is an arrow at the edge.
struct LineChart {
  std::string label;
  std::string x_title;
  std::string y_title;
  std::vector<LinePoint> points;
  std::vector<ChartBand> bands;
  std::vector<ChartRule> steps;     // upright, at an x
  std::optional<ChartRule> rule;    // across, at a y
  std::optional<double> low, high;  // of y; unset: what the points have
  bool with_marks = true;           // of single points
};
std::string SvgLines(const LineChart& chart);

struct ScatterPoint {
  double x = 0;
  double y = 0;
  bool is_failed = false;  // a cross
  std::string title;
};

struct ScatterSeries {
  std::string name;
  std::vector<ScatterPoint> points;
};

// Points of several series, each with a form of its own; across by powers of two. Points of a
// series that did not fail are joined. A legend stands below where there are several.
struct ScatterChart {
  std::string label;
  std::string x_title;
  std::string y_title;
  std::vector<ScatterSeries> series;
  std::optional<ChartRule> limit;  // across, at a y
};
std::string SvgScatter(const ScatterChart& chart);

struct IntervalRow {
  std::string name;
  std::string kind;  // good, bad, plain
  double value = 0;
  std::optional<double> low;
  std::optional<double> high;
  std::string text;
  std::string title;
};

// Values with their intervals, a row each, on both sides of 1.
struct IntervalChart {
  std::string label;
  std::string x_title;
  std::vector<IntervalRow> rows;
};
std::string SvgIntervals(const IntervalChart& chart);

// Rules of a style sheet; they use the custom properties of the page: --ink, --quiet, --line,
// --paper, --good, --warn, --bad, and --c0 to --c6 of series.
std::string ChartStyle();

// Patterns that charts refer to: once in a page, before the first chart.
std::string ChartPatterns();

// From 3 to 7 round numbers (1, 2 or 5 times a power of ten) that lie within [low, high]; low <
// high.
std::vector<double> RoundTicks(double low, double high);

}  // namespace torchlap::client::format
