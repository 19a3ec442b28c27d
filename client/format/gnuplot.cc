#include "client/format/gnuplot.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

// In double quotes gnuplot would run what stands in backquotes.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : Visible(text)) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

void AddTitle(const char* what, const std::string& title, const char* how, std::string* script) {
  if (title.empty()) return;
  *script += fmt::format("set {} {} noenhanced{}\n", what, Quoted(title), how);
}

void AddAxis(char name, const PlotAxis& axis, std::string* script) {
  AddTitle(name == 'x' ? "xlabel" : "ylabel", axis.title, "", script);
  if (axis.is_log) *script += fmt::format("set logscale {}\n", name);
  if (axis.ticks.empty()) return;
  std::string ticks;
  for (const Tick& tick : axis.ticks) {
    ticks += fmt::format("{}{} {}", ticks.empty() ? "" : ", ", Quoted(tick.label), tick.at);
  }
  *script += fmt::format("set {}tics ({}) noenhanced\n", name, ticks);
}

bool IsDrawn(const PlotLine& line) { return line.pen != Pen::kVertical && !line.points.empty(); }

bool HasBars(const PlotLine& line) {
  return std::any_of(line.points.begin(), line.points.end(),
                     [](const PlotPoint& point) { return point.low && point.high; });
}

// A point without an interval has one that is not to be seen.
void AddData(size_t number, const PlotLine& line, std::string* script) {
  *script += fmt::format("$line{} << END\n", number);
  for (const PlotPoint& point : line.points) {
    *script += fmt::format("{} {} {} {}\n", point.x, point.y, point.low.value_or(point.y),
                           point.high.value_or(point.y));
  }
  *script += "END\n";
}

const char* StyleOf(const PlotLine& line) {
  switch (line.pen) {
    case Pen::kMarks:
      return HasBars(line) ? "1:2:3:4 with yerrorbars" : "1:2 with points";
    case Pen::kThick:
      return "1:2 with lines linewidth 3";
    case Pen::kThin:
      return "1:2 with lines";
    default:
      return HasBars(line) ? "1:2:3:4 with yerrorlines" : "1:2 with linespoints";
  }
}

std::string Drawing(size_t number, const PlotLine& line) {
  const std::string title = line.name.empty() ? "notitle" : "title " + Quoted(line.name);
  return fmt::format("$line{} using {} {}", number, StyleOf(line), title);
}

}  // namespace

std::string GnuplotScript(const Plot& plot) {
  std::string script = "set encoding utf8\n";
  AddTitle("title", plot.title, " font ',9'", &script);
  AddAxis('x', plot.x, &script);
  AddAxis('y', plot.y, &script);
  script += "set key outside top center horizontal noenhanced\nset grid ytics\n";
  const PlotRange x = WithMargins(XValues(plot), plot.x.is_log);
  if (x.low < x.high) script += fmt::format("set xrange [{}:{}]\n", x.low, x.high);
  std::string drawings;
  for (size_t i = 0; i < plot.lines.size(); ++i) {
    if (!IsDrawn(plot.lines[i])) continue;
    AddData(i, plot.lines[i], &script);
    drawings += (drawings.empty() ? "plot " : ", \\\n     ") + Drawing(i, plot.lines[i]);
  }
  return script + drawings + "\n";
}

std::string GnuplotTerminal(const std::string& kind) {
  if (kind == "svg") return "set terminal svg size 800,500 background 'white'\n";
  if (kind == "pdf") return "set terminal pdfcairo size 16cm,10cm\n";
  if (kind == "png") return "set terminal pngcairo size 1200,750\n";
  return "";
}

}  // namespace torchlap::client::format
