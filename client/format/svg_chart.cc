#include "client/format/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "client/format/html.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

constexpr double kPlotHeight = 168;  // of charts with a y axis
constexpr double kBarHeight = 13;
constexpr double kBarPitch = 19;
constexpr double kGroupHead = 24;
constexpr double kGroupGap = 12;
constexpr double kRowPitch = 50;
constexpr size_t kLongestNameBytes = 60;
constexpr size_t kForms = 5;
constexpr size_t kColours = 7;

// Values to shares of the plot or to pixels.
struct Scale {
  double low = 0;
  double high = 1;

  double Share(double value) const { return (value - low) / (high - low); }
  double Percent(double value) const { return 100 * Share(value); }
  // Down a plot: large values are above.
  double Down(double value) const { return kPlotHeight * (1 - Share(value)); }
};

// `3.5`, without zeros behind.
std::string Number(double value) {
  std::string text = fmt::format("{:.2f}", value);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string Share(double percent) { return Number(percent) + "%"; }

std::string Titled(const std::string& title) {
  return title.empty() ? "" : fmt::format("<title>{}</title>", Html(title));
}

// `place` has the attributes that say where.
std::string Text(const std::string& place, const std::string& kind, const std::string& words) {
  return fmt::format("<text {} class=\"{}\">{}</text>\n", place, kind, Html(words));
}

std::string Line(const std::string& place, const std::string& kind) {
  return fmt::format("<line {} class=\"{}\"/>\n", place, kind);
}

std::string Upright(double percent, double top, double bottom, const std::string& kind) {
  return Line(fmt::format("x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\"", Share(percent),
                          Number(top), Number(bottom)),
              kind);
}

std::string Across(double y, const std::string& kind) {
  return Line(fmt::format("x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\"", Number(y)), kind);
}

std::string Svg(const std::string& kind, const std::string& label, double height,
                const std::string& content) {
  return fmt::format(
      "<div class=\"chart {}\"><svg role=\"img\" aria-label=\"{}\" width=\"100%\" "
      "height=\"{}\">\n{}</svg></div>\n",
      kind, Html(label), Number(height), content);
}

// `step` is the distance of ticks: no more decimals than it has.
std::string TickText(double value, double step) {
  const int decimals = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
  return fmt::format("{:.{}f}", value, decimals);
}

double TickStep(const std::vector<double>& ticks) {
  return ticks.size() > 1 ? ticks[1] - ticks[0] : std::max(std::abs(ticks.front()), 1.0);
}

double Step(double span) {
  const double rough = span / 5;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double lead = rough / power;
  if (lead <= 1.0) return power;
  if (lead <= 2.0) return 2 * power;
  return lead <= 5.0 ? 5 * power : 10 * power;
}

// Both ends apart, also where all values are one.
Scale Widened(Scale scale) {
  if (scale.high > scale.low) return scale;
  const double half = scale.low == 0 ? 1 : std::abs(scale.low) * 0.05;
  return {scale.low - half, scale.high + half};
}

// Upright lines with their numbers below.
std::string UprightTicks(const Scale& scale, double height, const std::string& unit) {
  const std::vector<double> ticks = RoundTicks(scale.low, scale.high);
  std::string svg;
  for (const double tick : ticks) {
    svg += Upright(scale.Percent(tick), 0, height, "grid");
    svg += Text(fmt::format("x=\"{}\" y=\"{}\" text-anchor=\"middle\"", Share(scale.Percent(tick)),
                            Number(height + 16)),
                "tick", TickText(tick, TickStep(ticks)));
  }
  return svg +
         Text(fmt::format("x=\"100%\" dx=\"12\" y=\"{}\"", Number(height + 16)), "tick unit", unit);
}

std::string AcrossTicks(const Scale& scale) {
  const std::vector<double> ticks = RoundTicks(scale.low, scale.high);
  std::string svg;
  for (const double tick : ticks) {
    const double y = scale.Down(tick);
    svg += Across(y, "grid");
    svg += Text(fmt::format("x=\"-8\" y=\"{}\" text-anchor=\"end\"", Number(y + 4)), "tick",
                TickText(tick, TickStep(ticks)));
  }
  return svg;
}

std::string AxisTitles(const std::string& x_title, const std::string& y_title) {
  return Text("x=\"-8\" y=\"-12\" text-anchor=\"start\" dx=\"-44\"", "axis", y_title) +
         Text(fmt::format("x=\"100%\" y=\"{}\" text-anchor=\"end\"", Number(kPlotHeight + 34)),
              "axis", x_title);
}

// A rule across, with its words at the right, above it.
std::string RuleAcross(const ChartRule& rule, const Scale& y, const std::string& kind) {
  const double at = y.Down(rule.at);
  return Across(at, kind) +
         Text(fmt::format("x=\"100%\" y=\"{}\" text-anchor=\"end\"", Number(at - 5)),
              kind + "-text", rule.text);
}

// ---- bars

double HighEnd(const ChartBar& bar) { return std::max(bar.value, bar.high.value_or(bar.value)); }

bool HasBars(const BarChart& chart) {
  return std::any_of(chart.groups.begin(), chart.groups.end(), [](const BarGroup& group) {
    return std::any_of(group.bars.begin(), group.bars.end(), [](const ChartBar& bar) {
      return std::isfinite(HighEnd(bar)) && HighEnd(bar) > 0;
    });
  });
}

Scale BarScale(const BarChart& chart) {
  Scale scale{0, 0};
  for (const BarGroup& group : chart.groups) {
    for (const ChartBar& bar : group.bars) scale.high = std::max(scale.high, HighEnd(bar));
  }
  if (chart.limit) scale.high = std::max(scale.high, chart.limit->at);
  return scale;
}

std::string Whisker(double low, double high, double middle) {
  const std::string y = Number(middle);
  const std::string ends =
      fmt::format("y1=\"{}\" y2=\"{}\"", Number(middle - 4), Number(middle + 4));
  return Line(fmt::format("x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"", Share(low), Share(high), y, y),
              "whisker") +
         Line(fmt::format("x1=\"{0}\" x2=\"{0}\" {1}", Share(low), ends), "whisker") +
         Line(fmt::format("x1=\"{0}\" x2=\"{0}\" {1}", Share(high), ends), "whisker");
}

std::string OneBar(const ChartBar& bar, const Scale& scale, double y) {
  const double middle = y + kBarHeight / 2;
  std::string svg = "<g>" + Titled(bar.title);
  svg += Text(fmt::format("x=\"-10\" y=\"{}\" text-anchor=\"end\"", Number(middle + 4)), "name",
              bar.name);
  svg += fmt::format("<rect x=\"0\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"bar {}\"/>\n",
                     Number(y), Share(scale.Percent(bar.value)), Number(kBarHeight), bar.kind);
  if (bar.low && bar.high) {
    svg += Whisker(scale.Percent(*bar.low), scale.Percent(*bar.high), middle);
  }
  svg += Text(fmt::format("x=\"{}\" dx=\"9\" y=\"{}\"", Share(scale.Percent(HighEnd(bar))),
                          Number(middle + 4)),
              "value", bar.text);
  return svg + "</g>\n";
}

// Draws below `y` and moves it on.
std::string OneGroup(const BarGroup& group, const Scale& scale, double* y) {
  std::string svg;
  if (!group.name.empty()) {
    svg = Text(fmt::format("x=\"-86\" y=\"{}\"", Number(*y + 16)), "group",
               CutText(Visible(group.name), kLongestNameBytes));
    *y += kGroupHead;
  }
  if (!group.note.empty()) {
    svg += Text(fmt::format("x=\"0\" y=\"{}\"", Number(*y + 10)), "failed", "✕ " + group.note);
    *y += kBarPitch;
  }
  for (const ChartBar& bar : group.bars) {
    svg += OneBar(bar, scale, *y);
    *y += kBarPitch;
  }
  if (!group.name.empty()) *y += kGroupGap;
  return svg;
}

// ---- lines

const char* KindName(PointKind kind) {
  switch (kind) {
    case PointKind::kWarmup:
      return "warmup";
    case PointKind::kDisturbed:
      return "disturbed";
    default:
      return "plain";
  }
}

Scale RangeOf(const std::vector<LinePoint>& points, double LinePoint::*value) {
  const auto [low, high] = std::minmax_element(
      points.begin(), points.end(),
      [value](const LinePoint& a, const LinePoint& b) { return a.*value < b.*value; });
  return {*low.*value, *high.*value};
}

Scale LineScale(const LineChart& chart) {
  Scale scale = RangeOf(chart.points, &LinePoint::y);
  scale.low = chart.low.value_or(scale.low);
  scale.high = chart.high.value_or(scale.high);
  return Widened(scale);
}

// Half a step of room at both ends.
Scale StepScale(const LineChart& chart) {
  Scale scale = RangeOf(chart.points, &LinePoint::x);
  for (const ChartBand& band : chart.bands) {
    scale = {std::min(scale.low, band.from), std::max(scale.high, band.to)};
  }
  const double room = chart.points.size() > 1 ? (scale.high - scale.low) /
                                                    (2 * static_cast<double>(chart.points.size()))
                                              : 0.5;
  return {scale.low - room, scale.high + room};
}

std::string BandArea(const ChartBand& band, const Scale& x) {
  const double from = x.Percent(band.from);
  const double to = x.Percent(band.to);
  return fmt::format(
      "<rect x=\"{}\" y=\"0\" width=\"{}\" height=\"{}\" class=\"band {}\">{}</rect>\n",
      Share(from), Share(to - from), Number(kPlotHeight), KindName(band.kind), Titled(band.title));
}

// Stretched with the plot; its width is not.
std::string Path(const LineChart& chart, const Scale& x, const Scale& y) {
  std::string points;
  for (const LinePoint& point : chart.points) {
    const double clipped = std::clamp(point.y, y.low, y.high);
    points += fmt::format("{}{},{}", points.empty() ? "" : " ", Number(10 * x.Percent(point.x)),
                          Number(y.Down(clipped)));
  }
  return fmt::format(
      "<svg width=\"100%\" height=\"{0}\" viewBox=\"0 0 1000 {0}\" preserveAspectRatio=\"none\">"
      "<polyline points=\"{1}\" class=\"path\"/></svg>\n",
      Number(kPlotHeight), points);
}

// Draws `content`, in pixels around 0 0, at a place of the plot.
std::string At(double percent, double y, const std::string& content) {
  return fmt::format("<svg x=\"{}\" y=\"{}\" overflow=\"visible\">{}</svg>\n", Share(percent),
                     Number(y), content);
}

std::string PointForm(const LinePoint& point, const Scale& y) {
  if (point.y > y.high) return "M-4.5 8 L0 1 L4.5 8 Z";
  if (point.y < y.low) return "M-4.5 -8 L0 -1 L4.5 -8 Z";
  if (point.kind == PointKind::kDisturbed) return "M-3.5 -3.5 H3.5 V3.5 H-3.5 Z";
  return "M-3 0 A3 3 0 1 0 3 0 A3 3 0 1 0 -3 0 Z";
}

std::string PointMark(const LinePoint& point, const Scale& x, const Scale& y) {
  const std::string path =
      fmt::format("<path d=\"{}\" class=\"point {}\">{}</path>", PointForm(point, y),
                  KindName(point.kind), Titled(point.title));
  return At(x.Percent(point.x), y.Down(std::clamp(point.y, y.low, y.high)), path);
}

// Steps are whole numbers, and none lies in the room beside the points.
std::string StepTicks(const LineChart& chart, const Scale& x) {
  const Scale steps = RangeOf(chart.points, &LinePoint::x);
  std::string svg;
  for (const double tick : RoundTicks(x.low, x.high)) {
    if (tick != std::floor(tick) || tick < steps.low || tick > steps.high) continue;
    svg += Text(fmt::format("x=\"{}\" y=\"{}\" text-anchor=\"middle\"", Share(x.Percent(tick)),
                            Number(kPlotHeight + 17)),
                "tick", fmt::format("{:.0f}", tick));
  }
  return svg;
}

std::string StepRule(const ChartRule& step, const Scale& x) {
  return Upright(x.Percent(step.at), 0, kPlotHeight, "change") +
         Text(fmt::format("x=\"{}\" dx=\"5\" y=\"12\"", Share(x.Percent(step.at))), "change-text",
              step.text);
}

// ---- scatter

// A form is told from the others without its colour.
const char* FormOf(size_t series) {
  constexpr std::array<const char*, kForms> kPaths = {
      "M-4.5 0 A4.5 4.5 0 1 0 4.5 0 A4.5 4.5 0 1 0 -4.5 0 Z", "M-4 -4 H4 V4 H-4 Z",
      "M0 -5.5 L5 4 H-5 Z", "M0 -6 L6 0 L0 6 L-6 0 Z", "M0 5.5 L5 -4 H-5 Z"};
  return kPaths[series % kForms];
}

constexpr char kCross[] = "M-4.5 -4.5 L4.5 4.5 M-4.5 4.5 L4.5 -4.5";

std::string ColourOf(size_t series) { return fmt::format("c{}", series % kColours); }

std::vector<ScatterPoint> AllPoints(const ScatterChart& chart) {
  std::vector<ScatterPoint> points;
  for (const ScatterSeries& series : chart.series) {
    points.insert(points.end(), series.points.begin(), series.points.end());
  }
  return points;
}

Scale HeightScale(const ScatterChart& chart) {
  Scale scale{0, 0};
  for (const ScatterPoint& point : AllPoints(chart)) scale.high = std::max(scale.high, point.y);
  if (chart.limit) scale.high = std::max(scale.high, chart.limit->at * 1.05);
  return Widened(scale);
}

// Of logarithms, with room at both ends.
Scale PowerScale(const std::vector<ScatterPoint>& points) {
  const auto [low, high] =
      std::minmax_element(points.begin(), points.end(),
                          [](const ScatterPoint& a, const ScatterPoint& b) { return a.x < b.x; });
  const double from = std::log2(low->x);
  const double to = std::log2(high->x);
  const double room = std::max(0.06 * (to - from), 0.25);
  return {from - room, to + room};
}

// The values that points have; where they are too many, every so many.
std::string ValueTicks(const std::vector<ScatterPoint>& points, const Scale& x) {
  constexpr size_t kMostTicks = 8;
  std::vector<double> values;
  for (const ScatterPoint& point : points) values.push_back(point.x);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  const size_t every = (values.size() + kMostTicks - 1) / kMostTicks;
  std::string svg;
  for (size_t i = 0; i < values.size(); i += every) {
    svg += Text(fmt::format("x=\"{}\" y=\"{}\" text-anchor=\"middle\"",
                            Share(x.Percent(std::log2(values[i]))), Number(kPlotHeight + 17)),
                "tick", fmt::format("{:.0f}", values[i]));
  }
  return svg;
}

std::string Joined(const ScatterSeries& series, const std::string& colour, const Scale& x,
                   const Scale& y) {
  std::vector<ScatterPoint> points;
  for (const ScatterPoint& point : series.points) {
    if (!point.is_failed) points.push_back(point);
  }
  std::sort(points.begin(), points.end(),
            [](const ScatterPoint& a, const ScatterPoint& b) { return a.x < b.x; });
  std::string svg;
  for (size_t i = 1; i < points.size(); ++i) {
    const ScatterPoint& a = points[i - 1];
    const ScatterPoint& b = points[i];
    svg += Line(
        fmt::format("x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"", Share(x.Percent(std::log2(a.x))),
                    Number(y.Down(a.y)), Share(x.Percent(std::log2(b.x))), Number(y.Down(b.y))),
        "joined " + colour);
  }
  return svg;
}

std::string SeriesMarks(const ScatterSeries& series, size_t index, const Scale& x, const Scale& y) {
  const std::string colour = ColourOf(index);
  std::string svg = Joined(series, colour, x, y);
  for (const ScatterPoint& point : series.points) {
    const std::string path = fmt::format("<path d=\"{}\" class=\"mark {}{}\">{}</path>",
                                         point.is_failed ? kCross : FormOf(index), colour,
                                         point.is_failed ? " cross" : "", Titled(point.title));
    svg += At(x.Percent(std::log2(point.x)), y.Down(point.y), path);
  }
  return svg;
}

std::string LegendEntry(const std::string& path, const std::string& kind, const std::string& name) {
  return fmt::format(
      "<li><svg width=\"16\" height=\"14\" viewBox=\"-8 -7 16 14\" aria-hidden=\"true\"><path "
      "d=\"{}\" class=\"mark {}\"/></svg>{}</li>\n",
      path, kind, Html(name));
}

std::string ScatterLegend(const ScatterChart& chart) {
  const std::vector<ScatterPoint> points = AllPoints(chart);
  std::string entries;
  for (size_t i = 0; i < chart.series.size() && chart.series.size() > 1; ++i) {
    entries += LegendEntry(FormOf(i), ColourOf(i), chart.series[i].name);
  }
  if (std::any_of(points.begin(), points.end(),
                  [](const auto& point) { return point.is_failed; })) {
    entries += LegendEntry(kCross, "cross", "did not fit: what it asked for");
  }
  return entries.empty() ? "" : "<ul class=\"legend\">\n" + entries + "</ul>\n";
}

// ---- intervals

Scale IntervalScale(const std::vector<IntervalRow>& rows) {
  Scale scale{1, 1};
  for (const IntervalRow& row : rows) {
    scale.low = std::min({scale.low, row.value, row.low.value_or(row.value)});
    scale.high = std::max({scale.high, row.value, row.high.value_or(row.value)});
  }
  const double room = std::max(0.08 * (scale.high - scale.low), 0.005);
  return {scale.low - room, scale.high + room};
}

std::string OneInterval(const IntervalRow& row, const Scale& scale, double middle) {
  std::string svg = "<g>" + Titled(row.title);
  svg += Text(fmt::format("x=\"0\" y=\"{}\"", Number(middle - 17)), "group",
              CutText(Visible(row.name), kLongestNameBytes));
  if (row.low && row.high)
    svg += Whisker(scale.Percent(*row.low), scale.Percent(*row.high), middle);
  svg += At(scale.Percent(row.value), middle,
            fmt::format("<path d=\"{}\" class=\"mark {}\"/>", FormOf(3), row.kind));
  svg += Text(fmt::format("x=\"100%\" dx=\"12\" y=\"{}\"", Number(middle + 4)), "value", row.text);
  return svg + "</g>\n";
}

}  // namespace

std::vector<double> RoundTicks(double low, double high) {
  const double step = Step(high - low);
  std::vector<double> ticks;
  const double slack = step * 1e-6;
  for (double n = std::ceil((low - slack) / step); n * step <= high + slack; ++n) {
    ticks.push_back(n * step + 0.0);  // no -0
  }
  return ticks;
}

std::string SvgBars(const BarChart& chart) {
  if (!HasBars(chart)) return "";
  const Scale scale = BarScale(chart);
  double y = 4;
  std::string groups;
  for (const BarGroup& group : chart.groups) groups += OneGroup(group, scale, &y);
  std::string svg = UprightTicks(scale, y, chart.unit) + groups;
  if (chart.limit) {
    const double at = scale.Percent(chart.limit->at);
    svg += Upright(at, 0, y, "limit") + Text(fmt::format("x=\"{}\" dx=\"6\" y=\"12\"", Share(at)),
                                             "limit-text", chart.limit->text);
  }
  return Svg("bars", chart.label, y + 24, svg);
}

std::string SvgLines(const LineChart& chart) {
  if (chart.points.empty()) return "";
  const Scale x = StepScale(chart);
  const Scale y = LineScale(chart);
  std::string svg;
  for (const ChartBand& band : chart.bands) svg += BandArea(band, x);
  svg += AcrossTicks(y) + StepTicks(chart, x);
  if (chart.rule) svg += RuleAcross(*chart.rule, y, "rule");
  for (const ChartRule& step : chart.steps) svg += StepRule(step, x);
  svg += Path(chart, x, y);
  for (const LinePoint& point : chart.points) {
    const bool is_beyond = point.y > y.high || point.y < y.low;
    if (chart.with_marks || is_beyond) svg += PointMark(point, x, y);
  }
  return Svg("lines", chart.label, kPlotHeight + 40,
             svg + AxisTitles(chart.x_title, chart.y_title));
}

std::string SvgScatter(const ScatterChart& chart) {
  const std::vector<ScatterPoint> points = AllPoints(chart);
  const bool is_drawable =
      !points.empty() && std::all_of(points.begin(), points.end(), [](const ScatterPoint& point) {
        return point.x > 0 && point.y >= 0;
      });
  if (!is_drawable) return "";
  const Scale x = PowerScale(points);
  const Scale y = HeightScale(chart);
  std::string svg = AcrossTicks(y) + ValueTicks(points, x);
  if (chart.limit) svg += RuleAcross(*chart.limit, y, "limit");
  for (size_t i = 0; i < chart.series.size(); ++i) svg += SeriesMarks(chart.series[i], i, x, y);
  return Svg("scatter", chart.label, kPlotHeight + 40,
             svg + AxisTitles(chart.x_title, chart.y_title)) +
         ScatterLegend(chart);
}

std::string SvgIntervals(const IntervalChart& chart) {
  if (chart.rows.empty()) return "";
  const Scale scale = IntervalScale(chart.rows);
  const double height = kRowPitch * static_cast<double>(chart.rows.size());
  std::string svg = UprightTicks(scale, height, chart.x_title);
  svg += Upright(scale.Percent(1), 0, height, "reference");
  double middle = kRowPitch - 15;
  for (const IntervalRow& row : chart.rows) {
    svg += OneInterval(row, scale, middle);
    middle += kRowPitch;
  }
  return Svg("intervals", chart.label, height + 24, svg);
}

std::string ChartPatterns() {
  return R"svg(<svg width="0" height="0" class="patterns" aria-hidden="true"><defs>
<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<line x1="0" y1="0" x2="0" y2="7" class="hatch"/></pattern>
</defs></svg>
)svg";
}

std::string ChartStyle() {
  return R"(.chart svg{display:block;overflow:visible}
.chart text{font-size:12px;fill:var(--ink);font-variant-numeric:tabular-nums}
.chart .tick,.chart .axis{fill:var(--quiet);font-size:11px}
.chart .group{font-weight:600;font-size:13px;paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.chart .name{fill:var(--quiet)}
.chart .failed{fill:var(--bad)}
.chart .grid{stroke:var(--line)}
.chart.bars{padding:4px 110px 0 86px}
.chart.intervals{padding:4px 130px 0 8px}
.chart.lines,.chart.scatter{padding:26px 10px 0 52px}
.bar{fill:var(--c0)}
.bar.forward{fill:var(--c0)}
.bar.loss{fill:var(--c5)}
.bar.backward{fill:var(--c1)}
.bar.optimizer{fill:var(--c2)}
.bar.step{fill:var(--step)}
.bar.memory{fill:var(--c4)}
.whisker{stroke:var(--ink);stroke-width:1.5}
.path{fill:none;stroke:var(--c0);stroke-width:1.5;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.point{fill:var(--c0);stroke:var(--paper);stroke-width:1}
.point.warmup{fill:var(--paper);stroke:var(--quiet);stroke-width:1.5}
.point.disturbed{fill:var(--bad)}
.band.warmup{fill:var(--shade)}
.band.disturbed{fill:url(#hatch)}
.hatch{stroke:var(--bad);stroke-width:2;opacity:.45}
.rule{stroke:var(--quiet);stroke-dasharray:5 4}
.chart .rule-text{fill:var(--quiet);font-size:11px}
.limit{stroke:var(--bad);stroke-dasharray:7 4;stroke-width:1.5}
.chart .limit-text{fill:var(--bad);font-size:11px}
.change{stroke:var(--bad);stroke-width:1.5}
.chart .change-text{fill:var(--bad);font-size:11px}
.reference{stroke:var(--ink);stroke-width:1.5}
.mark{fill:var(--quiet);stroke:var(--paper);stroke-width:1}
.mark.c0{fill:var(--c0)}.mark.c1{fill:var(--c1)}.mark.c2{fill:var(--c2)}.mark.c3{fill:var(--c3)}
.mark.c4{fill:var(--c4)}.mark.c5{fill:var(--c5)}.mark.c6{fill:var(--c6)}
.mark.good{fill:var(--good)}.mark.bad{fill:var(--bad)}
.mark.cross{fill:none;stroke:var(--quiet);stroke-width:2.2}
.mark.cross.c0{stroke:var(--c0)}.mark.cross.c1{stroke:var(--c1)}.mark.cross.c2{stroke:var(--c2)}
.mark.cross.c3{stroke:var(--c3)}.mark.cross.c4{stroke:var(--c4)}.mark.cross.c5{stroke:var(--c5)}
.mark.cross.c6{stroke:var(--c6)}
.joined{stroke-width:1.5;opacity:.55}
.joined.c0{stroke:var(--c0)}.joined.c1{stroke:var(--c1)}.joined.c2{stroke:var(--c2)}
.joined.c3{stroke:var(--c3)}.joined.c4{stroke:var(--c4)}.joined.c5{stroke:var(--c5)}
.joined.c6{stroke:var(--c6)}
.patterns{position:absolute}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.4rem 0 0;padding:0;list-style:none;font-size:.85rem}
.legend li{display:flex;align-items:center;gap:.35rem}
@media (max-width:640px){.chart.bars{padding-right:92px}}
)";
}

}  // namespace torchlap::client::format
