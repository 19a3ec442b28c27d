#include "client/format/terminal_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "client/format/words.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

constexpr size_t kMostTicks = 5;
constexpr size_t kLeastColumns = 8;
// Beyond it differences of two values overflow.
constexpr double kLargest = 1e300;

// What lines and frames are made of.
struct Glyphs {
  std::array<std::string_view, 8> marks;
  std::string_view joint, thick, thin, vertical, bar;
  std::string_view y_axis, y_tick, corner, x_axis, x_tick, ellipsis;
};

constexpr Glyphs kUnicode = {{"●", "○", "▲", "△", "■", "□", "◆", "◇"},
                             "·",
                             "━",
                             "╌",
                             "┆",
                             "│",
                             "│",
                             "┤",
                             "└",
                             "─",
                             "┬",
                             "…"};
constexpr Glyphs kAscii = {{"o", "x", "*", "#", "@", "%", "&", "$"},
                           ".",
                           "=",
                           "-",
                           ":",
                           "|",
                           "|",
                           "+",
                           "+",
                           "-",
                           "+",
                           "~"};

double Scaled(double value, bool is_log) { return is_log ? std::log10(value) : value; }

bool IsOn(const PlotAxis& axis, double value) {
  return std::abs(value) < kLargest && (!axis.is_log || value > 0);
}

// The interval goes where one of its ends cannot be drawn.
PlotPoint Cleaned(PlotPoint point, const PlotAxis& y) {
  if (point.low && point.high && IsOn(y, *point.low) && IsOn(y, *point.high)) return point;
  point.low = point.high = std::nullopt;
  return point;
}

// Only what can be drawn.
Plot Drawable(Plot plot) {
  for (PlotLine& line : plot.lines) {
    std::vector<PlotPoint> points;
    for (const PlotPoint& point : line.points) {
      const bool is_on =
          IsOn(plot.x, point.x) && (line.pen == Pen::kVertical || IsOn(plot.y, point.y));
      if (is_on) points.push_back(Cleaned(point, plot.y));
    }
    line.points = std::move(points);
  }
  return plot;
}

// Few enough digits to tell multiples of `step` apart.
std::string Label(double value, double step) {
  const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 12);
  return fmt::format("{:.{}f}", value, decimals);
}

// Multiples of a step that enclose the range.
std::vector<Tick> Multiples(PlotRange range, double step) {
  const double first = std::floor(range.low / step + 1e-9);
  const double last = std::ceil(range.high / step - 1e-9);
  std::vector<Tick> ticks;
  for (double i = first; i <= last && ticks.size() <= kMostTicks; ++i) {
    const double value = i == 0 ? 0 : i * step;
    ticks.push_back({value, Label(value, step)});
  }
  return ticks;
}

std::vector<Tick> LinearTicks(PlotRange range) {
  double power = std::pow(10.0, std::floor(std::log10(range.high - range.low)) - 1);
  for (;; power *= 10) {
    for (const int digit : {1, 2, 5}) {
      std::vector<Tick> ticks = Multiples(range, digit * power);
      if (ticks.size() <= kMostTicks) return ticks;
    }
  }
}

// Powers of ten that enclose the range, every `stride`th.
std::vector<Tick> Decades(PlotRange range, int stride) {
  const auto first = static_cast<int>(std::floor(std::log10(range.low) / stride + 1e-9));
  const auto last = static_cast<int>(std::ceil(std::log10(range.high) / stride - 1e-9));
  std::vector<Tick> ticks;
  for (int i = first; i <= last; ++i) {
    const int exponent = i * stride;
    const double value = std::pow(10.0, exponent);
    const bool is_short = exponent >= -4 && exponent <= 6;
    ticks.push_back({value, is_short ? Label(value, value) : fmt::format("1e{}", exponent)});
  }
  return ticks;
}

// 1, 2 and 5 times powers of ten that enclose the range.
std::vector<Tick> Preferred(PlotRange range) {
  std::vector<Tick> ticks;
  const auto first = static_cast<int>(std::floor(std::log10(range.low) + 1e-9));
  for (int exponent = first; ticks.size() <= kMostTicks; ++exponent) {
    const double power = std::pow(10.0, exponent);
    for (const int digit : {1, 2, 5}) {
      const double value = digit * power;
      const bool is_below = value <= range.low * (1 + 1e-9);
      if (is_below) ticks.clear();
      ticks.push_back({value, Label(value, power)});
      if (value >= range.high * (1 - 1e-9)) return ticks;
    }
  }
  return ticks;
}

std::vector<Tick> LogTicks(PlotRange range) {
  if (range.high / range.low < 3) return LinearTicks(range);
  std::vector<Tick> ticks = Preferred(range);
  for (int stride = 1; ticks.size() > kMostTicks; ++stride) ticks = Decades(range, stride);
  return ticks;
}

// A logarithmic scale has no place for a tick at 0 or below.
void DropUnplaceable(const PlotAxis& axis, std::vector<Tick>* ticks) {
  ticks->erase(std::remove_if(ticks->begin(), ticks->end(),
                              [&](const Tick& tick) { return !IsOn(axis, tick.at); }),
               ticks->end());
}

// A scale from values to cells.
class Scale {
 public:
  Scale(PlotRange range, bool is_log, size_t cells)
      : low_(Scaled(range.low, is_log)),
        span_(Scaled(range.high, is_log) - low_),
        is_log_(is_log),
        last_(static_cast<double>(cells - 1)) {}

  // From 0 to cells - 1.
  long CellOf(double value) const {
    const double share = span_ > 0 ? (Scaled(value, is_log_) - low_) / span_ : 0.5;
    return std::lround(std::clamp(share, 0.0, 1.0) * last_);
  }

 private:
  double low_;
  double span_;
  bool is_log_;
  double last_;
};

class Canvas {
 public:
  Canvas(size_t columns, size_t rows) : rows_(rows, std::vector<std::string_view>(columns, " ")) {}

  void Put(long column, long row, std::string_view glyph) {
    rows_[static_cast<size_t>(row)][static_cast<size_t>(column)] = glyph;
  }

  // From cell to cell, both ends too.
  void Connect(long from_column, long from_row, long to_column, long to_row,
               std::string_view glyph) {
    const long steps =
        std::max({std::abs(to_column - from_column), std::abs(to_row - from_row), 1L});
    for (long i = 0; i <= steps; ++i) {
      const double share = static_cast<double>(i) / static_cast<double>(steps);
      Put(std::lround(
              std::lerp(static_cast<double>(from_column), static_cast<double>(to_column), share)),
          std::lround(std::lerp(static_cast<double>(from_row), static_cast<double>(to_row), share)),
          glyph);
    }
  }

  // Without blanks at its end.
  std::string Row(size_t row) const {
    std::string text;
    for (const std::string_view cell : rows_[row]) text += cell;
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  }

 private:
  std::vector<std::vector<std::string_view>> rows_;
};

// Intervals included; vertical lines have no value.
PlotRange YValues(const Plot& plot) {
  PlotRange range{kLargest, -kLargest};
  const auto widen = [&range](double value) {
    range = {std::min(range.low, value), std::max(range.high, value)};
  };
  for (const PlotLine& line : plot.lines) {
    if (line.pen == Pen::kVertical) continue;
    for (const PlotPoint& point : line.points) {
      widen(point.y);
      widen(point.low.value_or(point.y));
      widen(point.high.value_or(point.y));
    }
  }
  return range;
}

std::string_view MarkOf(size_t line, const Glyphs& glyphs) {
  return glyphs.marks[line % glyphs.marks.size()];
}

bool HasMarks(const PlotLine& line) { return line.pen == Pen::kMarks || line.pen == Pen::kJoined; }

// What a line is drawn through its points with; empty: with nothing.
std::string_view StrokeOf(Pen pen, const Glyphs& glyphs) {
  switch (pen) {
    case Pen::kJoined:
      return glyphs.joint;
    case Pen::kThick:
      return glyphs.thick;
    case Pen::kThin:
      return glyphs.thin;
    case Pen::kVertical:
      return glyphs.vertical;
    case Pen::kMarks:
      break;
  }
  return "";
}

struct Field {
  const Plot& plot;
  const Glyphs& glyphs;
  Scale x;
  Scale y;
  size_t columns;
  size_t rows;
};

long RowOf(const Field& field, double value) {
  return static_cast<long>(field.rows) - 1 - field.y.CellOf(value);
}

void DrawStroke(const Field& field, const PlotLine& line, Canvas* canvas) {
  const std::string_view glyph = StrokeOf(line.pen, field.glyphs);
  if (glyph.empty()) return;
  if (line.pen == Pen::kVertical) {
    for (const PlotPoint& point : line.points) {
      const long column = field.x.CellOf(point.x);
      canvas->Connect(column, 0, column, static_cast<long>(field.rows) - 1, glyph);
    }
    return;
  }
  for (size_t i = 1; i < line.points.size(); ++i) {
    const PlotPoint& from = line.points[i - 1];
    const PlotPoint& to = line.points[i];
    canvas->Connect(field.x.CellOf(from.x), RowOf(field, from.y), field.x.CellOf(to.x),
                    RowOf(field, to.y), glyph);
  }
}

void DrawBars(const Field& field, const PlotLine& line, Canvas* canvas) {
  for (const PlotPoint& point : line.points) {
    if (!point.low) continue;
    const long column = field.x.CellOf(point.x);
    canvas->Connect(column, RowOf(field, *point.low), column, RowOf(field, *point.high),
                    field.glyphs.bar);
  }
}

// The number of a line among those that have marks.
template <typename Visit>
void ForEachMarked(const Plot& plot, const Visit& visit) {
  size_t number = 0;
  for (const PlotLine& line : plot.lines) {
    if (HasMarks(line)) visit(line, number++);
  }
}

// What says most comes last: it stays visible.
Canvas Drawn(const Field& field) {
  Canvas canvas(field.columns, field.rows);
  for (const Pen pen : {Pen::kVertical, Pen::kThin, Pen::kThick, Pen::kJoined}) {
    for (const PlotLine& line : field.plot.lines) {
      if (line.pen == pen) DrawStroke(field, line, &canvas);
    }
  }
  for (const PlotLine& line : field.plot.lines) DrawBars(field, line, &canvas);
  ForEachMarked(field.plot, [&](const PlotLine& line, size_t number) {
    for (const PlotPoint& point : line.points) {
      canvas.Put(field.x.CellOf(point.x), RowOf(field, point.y), MarkOf(number, field.glyphs));
    }
  });
  return canvas;
}

std::string Padded(const std::string& text, size_t width) {
  return std::string(width - std::min(width, DisplayWidth(text)), ' ') + text;
}

// The first characters of the text, the last of them an ellipsis where some are missing.
std::string Shortened(const std::string& text, size_t width, const Glyphs& glyphs) {
  if (DisplayWidth(text) <= width) return text;
  size_t end = 0;
  for (size_t characters = 0; end < text.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (begins && characters++ == width - 1) break;
  }
  return text.substr(0, end) + std::string(glyphs.ellipsis);
}

size_t WidestLabel(const std::vector<Tick>& ticks) {
  size_t width = 0;
  for (const Tick& tick : ticks) width = std::max(width, DisplayWidth(tick.label));
  return width;
}

// The rows of the canvas behind the labels of the y axis.
void AddRows(const Field& field, const std::vector<Tick>& ticks, Lines* lines) {
  const size_t width = WidestLabel(ticks);
  const Canvas canvas = Drawn(field);
  std::vector<const Tick*> at_row(field.rows, nullptr);
  for (const Tick& tick : ticks) at_row[static_cast<size_t>(RowOf(field, tick.at))] = &tick;
  for (size_t row = 0; row < field.rows; ++row) {
    const Tick* tick = at_row[row];
    lines->push_back(Padded(tick != nullptr ? tick->label : "", width) + " " +
                     std::string(tick != nullptr ? field.glyphs.y_tick : field.glyphs.y_axis) +
                     canvas.Row(row));
  }
}

struct PlacedTick {
  size_t column;
  std::string label;
};

// Labels that share the room between them; one that has none is left out.
std::string LabelLine(const std::vector<PlacedTick>& ticks, size_t columns, const Glyphs& glyphs) {
  std::string line;
  size_t end = 0;
  for (size_t i = 0; i < ticks.size(); ++i) {
    const size_t before = i == 0 ? columns : ticks[i].column - ticks[i - 1].column;
    const size_t after = i + 1 == ticks.size() ? columns : ticks[i + 1].column - ticks[i].column;
    const size_t room = std::max<size_t>(std::min(before, after), 4) - 1;
    const std::string label = Shortened(ticks[i].label, room, glyphs);
    const size_t width = DisplayWidth(label);
    const size_t ideal = ticks[i].column - std::min(ticks[i].column, width / 2);
    const size_t begin = std::min(ideal, columns - std::min(columns, width));
    if (end > 0 && begin < end + 1) continue;
    line += std::string(begin - end, ' ') + label;
    end = begin + width;
  }
  return line;
}

// The x axis with its ticks, their labels, and its title below them.
void AddXAxis(const Field& field, const std::vector<Tick>& ticks, size_t indent, Lines* lines) {
  std::vector<std::string_view> axis(field.columns, field.glyphs.x_axis);
  std::vector<PlacedTick> placed;
  for (const Tick& tick : ticks) {
    const auto column = static_cast<size_t>(field.x.CellOf(tick.at));
    axis[column] = field.glyphs.x_tick;
    placed.push_back({column, tick.label});
  }
  std::string line = std::string(indent, ' ') + std::string(field.glyphs.corner);
  for (const std::string_view cell : axis) line += cell;
  lines->push_back(line);
  const std::string margin(indent + 1, ' ');
  lines->push_back(margin + LabelLine(placed, field.columns, field.glyphs));
  const size_t width = DisplayWidth(field.plot.x.title);
  if (width == 0) return;
  const size_t begin = (field.columns - std::min(field.columns, width)) / 2;
  lines->push_back(margin + std::string(begin, ' ') + field.plot.x.title);
}

void AddLegend(const Field& field, size_t width, Lines* lines) {
  std::vector<std::string> entries;
  ForEachMarked(field.plot, [&](const PlotLine& line, size_t number) {
    if (!line.name.empty() && !line.points.empty())
      entries.push_back(fmt::format("{} {}", MarkOf(number, field.glyphs), line.name));
  });
  for (const PlotLine& line : field.plot.lines) {
    if (HasMarks(line) || line.name.empty() || line.points.empty()) continue;
    entries.push_back(fmt::format("{} {}", StrokeOf(line.pen, field.glyphs), line.name));
  }
  std::string text;
  for (const std::string& entry : entries) {
    const bool fits = text.empty() || DisplayWidth(text) + 3 + DisplayWidth(entry) <= width;
    if (!fits) lines->push_back(std::exchange(text, ""));
    text += (text.empty() ? "" : "   ") + entry;
  }
  if (!text.empty()) lines->push_back(text);
}

Plot VisibleWords(Plot plot) {
  for (std::string* text : {&plot.title, &plot.x.title, &plot.y.title}) *text = Visible(*text);
  for (PlotLine& line : plot.lines) line.name = Visible(line.name);
  for (PlotAxis* axis : {&plot.x, &plot.y}) {
    for (Tick& tick : axis->ticks) tick.label = Visible(tick.label);
  }
  return plot;
}

// Inside the range: an axis whose range is not widened to its ticks.
std::vector<Tick> Within(PlotRange range, std::vector<Tick> ticks) {
  ticks.erase(std::remove_if(ticks.begin(), ticks.end(),
                             [range](const Tick& tick) {
                               return tick.at < range.low || tick.at > range.high;
                             }),
              ticks.end());
  return ticks;
}

// Of the x axis, whose values are `range` and which shows `shown`. A single value is its own tick.
std::vector<Tick> XTicks(const PlotAxis& axis, PlotRange range, PlotRange shown) {
  std::vector<Tick> ticks = axis.ticks;
  if (ticks.empty() && IsEmpty(range)) ticks = {{range.low, fmt::format("{:g}", range.low)}};
  if (ticks.empty()) ticks = Within(shown, RoundTicks(shown.low, shown.high, axis.is_log));
  DropUnplaceable(axis, &ticks);
  std::sort(ticks.begin(), ticks.end(), [](const Tick& a, const Tick& b) { return a.at < b.at; });
  return ticks;
}

std::vector<Tick> YTicks(const PlotAxis& axis, PlotRange range) {
  std::vector<Tick> ticks =
      axis.ticks.empty() ? RoundTicks(range.low, range.high, axis.is_log) : axis.ticks;
  DropUnplaceable(axis, &ticks);
  return ticks;
}

PlotRange Widened(PlotRange range, const std::vector<Tick>& ticks) {
  for (const Tick& tick : ticks) {
    range = {std::min(range.low, tick.at), std::max(range.high, tick.at)};
  }
  return range;
}

}  // namespace

std::vector<Tick> RoundTicks(double low, double high, bool is_log) {
  const PlotRange range = IsEmpty({low, high}) ? Around(low) : PlotRange{low, high};
  return is_log ? LogTicks(range) : LinearTicks(range);
}

Lines DrawPlot(const Plot& given, const PlotArea& area) {
  const Plot plot = Drawable(VisibleWords(given));
  const PlotRange values = YValues(plot);
  if (values.low > values.high) return {};
  const Glyphs& glyphs = area.is_ascii ? kAscii : kUnicode;
  const std::vector<Tick> y_ticks = YTicks(plot.y, values);
  const size_t indent = WidestLabel(y_ticks) + 1;
  const size_t columns = std::max(area.width, indent + 1 + kLeastColumns) - indent - 1;
  const size_t rows = std::max(area.height, kMostTicks);
  const PlotRange x_values = XValues(plot);
  const PlotRange x_range = WithMargins(x_values, plot.x.is_log);
  const Field field{plot,
                    glyphs,
                    Scale(x_range, plot.x.is_log, columns),
                    Scale(Widened(values, y_ticks), plot.y.is_log, rows),
                    columns,
                    rows};
  Lines lines;
  for (const std::string& title : {plot.title, plot.y.title}) {
    if (!title.empty()) lines.push_back(title);
  }
  AddRows(field, y_ticks, &lines);
  AddXAxis(field, XTicks(plot.x, x_values, x_range), indent, &lines);
  AddLegend(field, area.width, &lines);
  return lines;
}

}  // namespace torchlap::client::format
