// Where charts put what they show.
#include "client/format/svg_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace torchlap::client::format {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

ChartBar Bar(const std::string& name, double value) {
  ChartBar bar;
  bar.name = name;
  bar.kind = name;
  bar.value = value;
  bar.text = "T" + name;
  return bar;
}

BarChart OneGroup(std::vector<ChartBar> bars) {
  BarChart chart;
  chart.label = "times";
  chart.unit = "ms";
  chart.groups.push_back({"small", "", std::move(bars)});
  return chart;
}

LinePoint Point(double x, double y, PointKind kind = PointKind::kPlain) { return {x, y, kind, ""}; }

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(RoundTicks, AreRoundNumbersWithinTheRange) {
  EXPECT_THAT(RoundTicks(0, 10), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(RoundTicks(0.93, 1.07),
              ElementsAre(DoubleNear(0.95, 1e-9), DoubleNear(1.0, 1e-9), DoubleNear(1.05, 1e-9)));
  EXPECT_THAT(RoundTicks(-3, 95), ElementsAre(0, 20, 40, 60, 80));
  EXPECT_FALSE(std::signbit(RoundTicks(-3, 95).front()));
  for (const double high : {0.001, 0.7, 3.0, 12.0, 47.0, 999.0, 123456.0}) {
    const std::vector<double> ticks = RoundTicks(0, high);
    EXPECT_GE(ticks.size(), 3U) << high;
    EXPECT_LE(ticks.size(), 7U) << high;
    EXPECT_LE(ticks.back(), high * 1.000001);
  }
}

TEST(SvgBars, BarsAreSharesOfTheLargestEnd) {
  ChartBar large = Bar("backward", 80);
  large.low = 60;
  large.high = 100;
  const std::string svg = SvgBars(OneGroup({Bar("forward", 25), large}));
  EXPECT_THAT(svg, HasSubstr("width=\"25%\" height=\"13\" class=\"bar forward\""));
  EXPECT_THAT(svg, HasSubstr("width=\"80%\" height=\"13\" class=\"bar backward\""));
  EXPECT_THAT(svg, HasSubstr("x1=\"60%\" x2=\"100%\""));
  EXPECT_EQ(Count(svg, "class=\"whisker\""), 3U);
  EXPECT_THAT(svg, HasSubstr("Tforward"));
  EXPECT_THAT(svg, HasSubstr(">small</text>"));
}

TEST(SvgBars, GroupsWithoutBarsSayWhy) {
  BarChart chart = OneGroup({Bar("step", 5)});
  chart.groups.push_back({"xl", "OUT_OF_MEMORY", {}});
  EXPECT_THAT(SvgBars(chart), HasSubstr("class=\"failed\">✕ OUT_OF_MEMORY</text>"));
}

TEST(SvgBars, AreNothingWithoutANumber) {
  EXPECT_EQ(SvgBars({}), "");
  EXPECT_EQ(SvgBars(OneGroup({})), "");
  EXPECT_EQ(SvgBars(OneGroup({Bar("step", 0)})), "");
}

TEST(SvgBars, TheLimitIsWithinThePlot) {
  BarChart chart = OneGroup({Bar("memory", 50)});
  chart.limit = ChartRule{200, "the device"};
  const std::string svg = SvgBars(chart);
  EXPECT_THAT(svg, HasSubstr("width=\"25%\""));
  EXPECT_THAT(svg, HasSubstr("x1=\"100%\" x2=\"100%\""));
  EXPECT_THAT(svg, HasSubstr("the device"));
}

TEST(SvgCharts, WordsAreEscapedAndVisible) {
  BarChart chart = OneGroup({Bar("step", 5)});
  chart.label = "a\"b";
  chart.groups.front().name = "<i>&\x1b[31m";
  chart.groups.front().bars.front().title = "</title><script>";
  const std::string svg = SvgBars(chart);
  EXPECT_THAT(svg, HasSubstr("aria-label=\"a&quot;b\""));
  EXPECT_THAT(svg, HasSubstr("&lt;i&gt;&amp;\\x1b[31m"));
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
}

TEST(SvgLines, WarmupIsShadedAndDisturbedStepsAreSquaresInAHatchedBand) {
  LineChart chart;
  chart.points = {Point(0, 9, PointKind::kWarmup), Point(1, 5), Point(2, 8, PointKind::kDisturbed),
                  Point(3, 5)};
  chart.bands = {{-0.5, 0.5, PointKind::kWarmup, "warm-up"},
                 {1.5, 2.5, PointKind::kDisturbed, "foreign-cpu"}};
  const std::string svg = SvgLines(chart);
  EXPECT_THAT(svg, HasSubstr("class=\"band warmup\"><title>warm-up</title>"));
  EXPECT_THAT(svg, HasSubstr("class=\"band disturbed\"><title>foreign-cpu</title>"));
  EXPECT_EQ(Count(svg, "class=\"point plain\""), 2U);
  EXPECT_EQ(Count(svg, "class=\"point warmup\""), 1U);
  EXPECT_THAT(svg, HasSubstr("H3.5 V3.5 H-3.5 Z\" class=\"point disturbed\""));
}

TEST(SvgLines, PointsBeyondTheRangeAreArrowsAtItsEdge) {
  LineChart chart;
  chart.points = {Point(0, 100), Point(1, 5), Point(2, 1)};
  chart.low = 4;
  chart.high = 6;
  chart.with_marks = false;
  const std::string svg = SvgLines(chart);
  EXPECT_THAT(svg, HasSubstr("y=\"0\" overflow=\"visible\"><path d=\"M-4.5 8 L0 1 L4.5 8 Z\""));
  EXPECT_THAT(svg,
              HasSubstr("y=\"168\" overflow=\"visible\"><path d=\"M-4.5 -8 L0 -1 L4.5 -8 Z\""));
  EXPECT_EQ(Count(svg, "class=\"point "), 2U);
  EXPECT_THAT(svg, HasSubstr("points=\"125,0 500,84 875,168\""));
}

TEST(SvgLines, TicksAreStepsThatThereAre) {
  LineChart chart;
  chart.points = {Point(0, 5), Point(1, 6), Point(2, 7)};
  chart.bands = {{-0.5, 2.5, PointKind::kWarmup, "warm-up"}};
  const std::string svg = SvgLines(chart);
  for (const char* step : {">0</text>", ">1</text>", ">2</text>"}) EXPECT_EQ(Count(svg, step), 1U);
  EXPECT_THAT(svg, Not(HasSubstr(">-1</text>")));
  EXPECT_THAT(svg, Not(HasSubstr(">3</text>")));
}

TEST(SvgLines, OnePointAndEqualPointsAreDrawn) {
  LineChart chart;
  EXPECT_EQ(SvgLines(chart), "");
  chart.points = {Point(0, 7)};
  EXPECT_THAT(SvgLines(chart), HasSubstr("x=\"50%\" y=\"84\""));
  chart.points.push_back(Point(1, 7));
  EXPECT_THAT(SvgLines(chart), Not(HasSubstr("nan")));
}

ScatterChart TwoSeries() {
  ScatterChart chart;
  chart.label = "memory";
  chart.series = {{"small", {{1, 10, false, ""}, {2, 20, false, ""}, {4, 45, true, "too much"}}},
                  {"large", {{1, 20, false, ""}, {2, 30, false, ""}}}};
  chart.limit = ChartRule{40, "the device has 40 GiB"};
  return chart;
}

TEST(SvgScatter, WhatFailedIsACrossThatNoLineReaches) {
  const std::string svg = SvgScatter(TwoSeries());
  EXPECT_EQ(Count(svg, "class=\"mark c0 cross\"><title>too much</title>"), 1U);
  EXPECT_EQ(Count(svg, "class=\"joined c0\""), 1U);
  EXPECT_EQ(Count(svg, "class=\"joined c1\""), 1U);
  EXPECT_THAT(svg, HasSubstr("the device has 40 GiB"));
  EXPECT_THAT(svg, HasSubstr("did not fit"));
}

TEST(SvgScatter, SeriesHaveAFormOfTheirOwnAndALegend) {
  const std::string svg = SvgScatter(TwoSeries());
  EXPECT_EQ(Count(svg, "\"M-4 -4 H4 V4 H-4 Z\" class=\"mark c1\""), 3U);  // 2 points, the legend
  EXPECT_THAT(svg, HasSubstr("</svg>large</li>"));
  ScatterChart one = TwoSeries();
  one.series.resize(1);
  EXPECT_THAT(SvgScatter(one), Not(HasSubstr("</svg>small</li>")));
}

TEST(SvgScatter, IsNothingWithoutAPointThatHasAPlace) {
  EXPECT_EQ(SvgScatter({}), "");
  ScatterChart chart;
  chart.series = {{"small", {{0, 10, false, ""}}}};
  EXPECT_EQ(SvgScatter(chart), "");
}

TEST(SvgIntervals, StandOnBothSidesOfOne) {
  IntervalChart chart;
  chart.rows = {{"small", "good", 0.9, 0.8, 1.0, "-10 % faster", ""},
                {"large", "bad", 1.2, {}, {}, "+20 % slower", ""}};
  const std::string svg = SvgIntervals(chart);
  // From 0.8 to 1.2 with 8 % of room on both sides.
  EXPECT_THAT(svg, HasSubstr("x1=\"50%\" x2=\"50%\" y1=\"0\" y2=\"100\" class=\"reference\""));
  EXPECT_THAT(svg, HasSubstr("x1=\"6.9%\" x2=\"50%\""));
  EXPECT_EQ(Count(svg, "class=\"whisker\""), 3U);
  EXPECT_THAT(svg, HasSubstr("class=\"mark good\""));
  EXPECT_THAT(svg, HasSubstr("+20 % slower"));
  EXPECT_EQ(SvgIntervals({}), "");
}

}  // namespace
}  // namespace torchlap::client::format
