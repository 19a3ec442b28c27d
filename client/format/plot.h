// A plot before anybody asks what it is drawn with: a terminal (terminal_plot.h) or gnuplot
// (gnuplot.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace torchlap::client::format {

struct PlotPoint {
  double x = 0;
  double y = 0;
  // The interval of y; both or none.
  std::optional<double> low = {};
  std::optional<double> high = {};
};

// How the points of a line are drawn.
enum class Pen {
  kMarks,     // a mark each
  kJoined,    // a mark each, joined by a thin line
  kThick,     // a thick line through them, no marks
  kThin,      // a thin line through them, no marks
  kVertical,  // a vertical line at each x, as high as the plot
};

struct PlotLine {
  std::string name;  // in the legend; empty: not there
  Pen pen = Pen::kJoined;
  std::vector<PlotPoint> points;  // by x
};

struct Tick {
  double at = 0;
  std::string label;
};

struct PlotAxis {
  std::string title;  // with its unit: `step median (ms)`
  bool is_log = false;
  // Empty: 3 to 5 round numbers.
  std::vector<Tick> ticks = {};
};

struct Plot {
  std::string title;  // may be empty
  PlotAxis x;
  PlotAxis y;
  std::vector<PlotLine> lines;
};

struct PlotRange {
  double low = 0;
  double high = 0;
};

// Its ends are the same to twelve digits.
bool IsEmpty(PlotRange range);

// A tenth of the value to each side.
PlotRange Around(double value);

// What points and ticks have on the x axis; `low` is above `high` where there is none.
PlotRange XValues(const Plot& plot);

// A little room at both ends, so that no mark stands on the frame; an empty range becomes one that
// has its value in the middle.
PlotRange WithMargins(PlotRange range, bool is_log);

}  // namespace torchlap::client::format
