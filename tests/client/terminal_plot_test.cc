#include "client/format/terminal_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "client/plot_area.h"

namespace torchlap::client::format {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr PlotArea kSmall{.width = 30, .height = 5, .is_ascii = true};

std::string Text(const Plot& plot, const PlotArea& area = kSmall) {
  std::string text = "\n";
  for (const std::string& line : DrawPlot(plot, area)) text += line + "\n";
  return text;
}

Plot OfPoints(std::vector<PlotPoint> points) {
  Plot plot;
  plot.lines = {{"", Pen::kJoined, std::move(points)}};
  return plot;
}

Plot TwoLines() {
  Plot plot;
  plot.title = "speed";
  plot.x = {"context", true, {{128, "128"}, {256, "256"}, {512, "512"}}};
  plot.y = {"step median (ms)"};
  plot.lines = {{"fp32", Pen::kJoined, {{128, 100, 90, 110}, {256, 210}, {512, 480, 400, 500}}},
                {"bf16", Pen::kJoined, {{128, 60}, {256, 120}, {512, 250}}}};
  return plot;
}

TEST(TerminalPlot, HasAxesMarksBarsAndALegend) {
  EXPECT_EQ(Text(TwoLines(), {.width = 44, .height = 9, .is_ascii = true}), R"(
speed
step median (ms)
600 +
    |                                    |
    |                                  ..o
400 +                            ......  |
    |                      ......
200 +               ....o..      ........x
    |       ............x........
    |  x........
  0 +
    +--+----------------+----------------+--
      128              256              512
                     context
o fp32   x bf16
)");
}

TEST(TerminalPlot, IsDrawnInUnicodeToo) {
  EXPECT_EQ(Text(TwoLines(), {.width = 44, .height = 9, .is_ascii = false}), R"(
speed
step median (ms)
600 ┤
    │                                    │
    │                                  ··●
400 ┤                            ······  │
    │                      ······
200 ┤               ····●··      ········○
    │       ············○········
    │  ○········
  0 ┤
    └──┬────────────────┬────────────────┬──
      128              256              512
                     context
● fp32   ○ bf16
)");
}

TEST(TerminalPlot, PutsOnePointIntoTheMiddle) {
  EXPECT_EQ(Text(OfPoints({{1, 5}})), R"(
5.5 +
    |
5.0 +            o
    |
4.5 +
    +------------+------------
                 1
)");
  EXPECT_EQ(Text(OfPoints({{0, 0, 0, 0}})), R"(
 1.0 +
 0.5 +
 0.0 +            o
-0.5 +
-1.0 +
     +------------+-----------
                  0
)");
}

TEST(TerminalPlot, PutsEqualValuesIntoTheMiddle) {
  EXPECT_EQ(Text(OfPoints({{1, 5}, {2, 5}, {3, 5}})), R"(
5.5 +
    |
5.0 + o..........o..........o
    |
4.5 +
    +-+----------+----------+-
      1          2          3
)");
}

TEST(TerminalPlot, LeavesOutWhatALogarithmicAxisHasNoPlaceFor) {
  Plot plot = OfPoints({{1, 1}, {2, 0}, {3, 100}, {4, -1}});
  plot.lines[0].pen = Pen::kMarks;
  plot.y.is_log = true;
  EXPECT_EQ(Text(plot), R"(
100 +                       o
    |
 10 +
    |
  1 + o
    +-+----------+----------+-
      1          2          3
)");
}

TEST(TerminalPlot, LeavesOutWhatIsNoNumber) {
  const double infinite = std::numeric_limits<double>::infinity();
  const double none = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(DrawPlot(OfPoints({{1, none}, {2, infinite}, {none, 1}}), kSmall), IsEmpty());
  EXPECT_THAT(DrawPlot(Plot(), kSmall), IsEmpty());
  EXPECT_EQ(Text(OfPoints({{1, 5}, {2, none}})), Text(OfPoints({{1, 5}})));
  EXPECT_EQ(Text(OfPoints({{1, 5, none, infinite}})), Text(OfPoints({{1, 5}})));
}

TEST(TerminalPlot, SpacesCategoriesEvenlyAndCutsLongNames) {
  Plot plot = OfPoints({{0, 1}, {1, 2}, {2, 4}});
  plot.lines[0].pen = Pen::kMarks;
  plot.x = {"model size", false, {{0, "small"}, {1, "a very long name"}, {2, "xl"}}};
  EXPECT_EQ(Text(plot, {.width = 32, .height = 5, .is_ascii = true}), R"(
4 +                           o
3 +
  |
2 +              o
1 + o
  +-+------------+------------+-
   small   a very long~      xl
            model size
)");
}

TEST(TerminalPlot, DrawsThickThinAndVerticalLines) {
  Plot plot;
  plot.y = {"step median (ms)"};
  plot.x = {"runs", false, {{0, "10-01"}, {2, "10-03"}, {5, "10-06"}}};
  plot.lines = {{"run", Pen::kMarks, {{0, 10}, {1, 10.2}, {2, 9.8}, {3, 12}, {4, 12.2}, {5, 11.8}}},
                {"median", Pen::kThick, {{0, 10}, {2, 10}}},
                {"", Pen::kThick, {{3, 12}, {5, 12}}},
                {"baseline", Pen::kThin, {{0, 10.5}, {5, 10.5}}},
                {"step", Pen::kVertical, {{2.5, 0}}}};
  EXPECT_EQ(Text(plot, {.width = 50, .height = 9, .is_ascii = true}), R"(
step median (ms)
13 +                       :
   |                       :
12 +                       :   o=======o=======o
   |                       :
11 +                       :
   |  ------------------------------------------
10 +  o=======o=======o    :
   |                       :
 9 +                       :
   +--+---------------+------------------------+--
    10-01           10-03                    10-06
                         runs
o run   = median   - baseline   : step
)");
}

TEST(TerminalPlot, WrapsItsLegendAndLeavesOutLinesWithoutPoints) {
  Plot plot = OfPoints({{0, 1}});
  plot.lines[0].name = "a long name of a line";
  plot.lines.push_back({"another long name", Pen::kJoined, {{1, 2}}});
  plot.lines.push_back({"nothing", Pen::kJoined, {}});
  const Lines lines = DrawPlot(plot, kSmall);
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[lines.size() - 2], "o a long name of a line");
  EXPECT_EQ(lines.back(), "x another long name");
}

TEST(TerminalPlot, MakesNamesOfOthersVisible) {
  Plot plot = OfPoints({{0, 1}});
  plot.lines[0].name = "a\x1b[31m";
  plot.title = "two\nlines";
  const Lines lines = DrawPlot(plot, kSmall);
  EXPECT_EQ(lines.front(), "two\\nlines");
  EXPECT_EQ(lines.back(), "o a\\x1b[31m");
}

TEST(TerminalPlot, IsDrawnHoweverLittleRoomThereIs) {
  EXPECT_EQ(
      Text(OfPoints({{1, 1}, {2, 3}, {50, 2}}), {.width = 1, .height = 1, .is_ascii = true}),
      Text(OfPoints({{1, 1}, {2, 3}, {50, 2}}), {.width = 12, .height = 5, .is_ascii = true}));
}

std::vector<std::string> Labels(double low, double high, bool is_log) {
  std::vector<std::string> labels;
  for (const Tick& tick : RoundTicks(low, high, is_log)) labels.push_back(tick.label);
  return labels;
}

TEST(RoundTicks, EncloseTheRange) {
  EXPECT_THAT(Labels(152.3, 305.2, false), ElementsAre("150", "200", "250", "300", "350"));
  EXPECT_THAT(Labels(0, 1, false), ElementsAre("0.0", "0.5", "1.0"));
  EXPECT_THAT(Labels(-5, 7, false), ElementsAre("-5", "0", "5", "10"));
  EXPECT_THAT(Labels(0.001, 0.0017, false),
              ElementsAre("0.0010", "0.0012", "0.0014", "0.0016", "0.0018"));
  EXPECT_THAT(Labels(99.9, 100.1, false),
              ElementsAre("99.90", "99.95", "100.00", "100.05", "100.10"));
}

TEST(RoundTicks, OfALogarithmicAxisAreDecadesOrAsFineAsNeeded) {
  EXPECT_THAT(Labels(1, 50, true), ElementsAre("1", "10", "100"));
  EXPECT_THAT(Labels(1.5, 4.6, true), ElementsAre("1", "2", "5"));
  EXPECT_THAT(Labels(100, 110, true), ElementsAre("100", "105", "110"));
  EXPECT_THAT(Labels(1e-9, 1e9, true), ElementsAre("1e-10", "1e-5", "1", "100000", "1e10"));
}

TEST(RoundTicks, AreThreeToFive) {
  for (double low = 0.37; low < 1e6; low *= 3.3) {
    for (double share = 1e-6; share < 1e7; share *= 2.7) {
      for (const bool is_log : {false, true}) {
        const auto ticks = RoundTicks(low, low * (1 + share), is_log);
        ASSERT_GE(ticks.size(), 3U) << low << " " << share;
        ASSERT_LE(ticks.size(), 5U) << low << " " << share;
        ASSERT_LE(ticks.front().at, low * (1 + 1e-9));
        ASSERT_GE(ticks.back().at, low * (1 + share) * (1 - 1e-9));
      }
    }
  }
}

TEST(PlotArea, IsAsciiUnlessTheLocaleIsUtf8) {
  for (const char* name : {"C.UTF-8", "de_DE.utf8", "en_US.UTF-8@euro"}) {
    EXPECT_TRUE(IsUtf8Locale(name)) << name;
  }
  for (const char* name : {"", "C", "POSIX", "de_DE.ISO-8859-1"}) {
    EXPECT_FALSE(IsUtf8Locale(name)) << name;
  }
}

TEST(PlotArea, IsAsWideAsTheTerminalUpTo100) {
  Console console;
  console.columns = 120;
  EXPECT_EQ(PlotAreaOf(console).width, 80U) << "stdout is no terminal";
  console.out_is_terminal = true;
  EXPECT_EQ(PlotAreaOf(console).width, 100U);
  console.columns = 72;
  EXPECT_EQ(PlotAreaOf(console).width, 72U);
  console.columns = 0;
  EXPECT_EQ(PlotAreaOf(console).width, 40U);
}

}  // namespace
}  // namespace torchlap::client::format
