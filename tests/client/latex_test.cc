#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/format/captions.h"
#include "client/format/format.h"
#include "client/format/runs.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client::format {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string Written(std::vector<Block> blocks) {
  Document document;
  document.blocks = [blocks = std::move(blocks)] { return blocks; };
  return Printed(kLatex, document);
}

// Of the one cell below a title.
std::string Cell(const std::string& text) { return Written({Grid{"", {"t"}, {{text}}}}); }

TEST(Latex, IsATableWithRulesAndColumnsOfNumbers) {
  Grid grid{"the caption", {"size", "step (ms)"}, {{"small", "152.3 ± 8.5"}, {"xl", "-"}}};
  grid.reference = "tab:speed";
  EXPECT_EQ(Written({grid, Lines{"± is noise"}}),
            "% needs \\usepackage{booktabs,siunitx}; letters that are not Latin need LuaLaTeX or "
            "XeLaTeX\n"
            "\\begin{table}\n"
            "  \\centering\n"
            "  \\sisetup{separate-uncertainty,table-align-uncertainty=false}\n"
            "  \\caption{the caption}\n"
            "  \\label{tab:speed}\n"
            "  \\begin{tabular}{l S[table-format=3.1(2)]}\n"
            "    \\toprule\n"
            "    size & {step (ms)} \\\\\n"
            "    \\midrule\n"
            "    small & 152.3 \\pm 8.5 \\\\\n"
            "    xl & {-} \\\\\n"
            "    \\bottomrule\n"
            "  \\end{tabular}\n"
            "  \\par\\smallskip{\\footnotesize \\ensuremath{\\pm} is noise\\par}\n"
            "\\end{table}\n");
}

TEST(Latex, HasNoCaptionAndNoLabelUnlessThereAreSome) {
  const std::string text = Cell("x");
  EXPECT_THAT(text, Not(HasSubstr("\\caption")));
  EXPECT_THAT(text, Not(HasSubstr("\\label")));
}

TEST(Latex, MakesRoomForTheLongestNumberOfAColumn) {
  const auto column = [](const std::vector<std::string>& cells) {
    Grid grid{"", {"t"}, {}};
    for (const std::string& cell : cells) grid.rows.push_back({cell});
    const std::string text = Written({grid});
    const size_t begin = text.find("{tabular}{") + 10;
    return text.substr(begin, text.find("}\n", begin) - begin);
  };
  EXPECT_EQ(column({"4", "256"}), "S[table-format=3]");
  EXPECT_EQ(column({"1.25", "17800"}), "S[table-format=5.2]");
  EXPECT_EQ(column({"-3.5", "OOM"}), "S[table-format=-1.1]");
  EXPECT_EQ(column({"152.3 ± 8.5", "305 ± 12", "17800 ± 1000"}), "S[table-format=5.1(5)]");
  EXPECT_EQ(column({"4810 (a)", "152.3"}), "S[table-format=4.1]");
  EXPECT_EQ(column({"128.6M", "2.00B", "-"}), "r");
  EXPECT_EQ(column({"1.87x [1.79, 1.95]", "-"}), "r");
  EXPECT_EQ(column({"± 0.84"}), "r");
  EXPECT_EQ(column({"small", "2.7B"}), "l");
}

TEST(Latex, KeepsAMarkBehindItsNumberAndWordsBetweenNumbersInBraces) {
  EXPECT_THAT(Cell("4810 (a)"), HasSubstr("    4810{\\textsuperscript{a}} \\\\\n"));
  EXPECT_THAT(Cell("12 ± 3 (ab)"), HasSubstr("    12 \\pm 3{\\textsuperscript{ab}} \\\\\n"));
  const std::string mixed = Written({Grid{"", {"t"}, {{"1.5"}, {"12 (of 3)"}, {"1 ± -2"}}}});
  EXPECT_THAT(mixed, HasSubstr("    {12 (of 3)} \\\\\n"));
  EXPECT_THAT(mixed, HasSubstr("    {1 \\ensuremath{\\pm} -2} \\\\\n"));
}

TEST(Latex, SetsNamesToTheLeftAndNumbersToTheRight) {
  const Grid grid{
      "", {"size", "speed-up", "note"}, {{"small", "1.87x", "x"}, {"2.7B", "no base", "y"}}};
  EXPECT_THAT(Written({grid}), HasSubstr("\\begin{tabular}{l r l}\n"));
}

TEST(Latex, IsTextWhateverItIsMadeOf) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\\input{x}", "\\textbackslash{}input\\{x\\}"},
      {"a & b", "a \\& b"},
      {"d_ff 5 % #1 $x$", "d\\_ff 5 \\% \\#1 \\$x\\$"},
      {"~a^b", "\\textasciitilde{}a\\textasciicircum{}b"},
      {"a < b > c | d", "a \\textless{} b \\textgreater{} c \\textbar{} d"},
      {"[1] *", "{[}1{]} {*}"},
      {"a -- b --- c ''", "a -{}- b -{}-{}- c '{}'"},
      // \textquotedbl would be an error in OT1, the usual encoding.
      {"?`\"", "?\\textasciigrave{}\\symbol{34}"},
      {"a\n%b", "a\\textbackslash{}n\\%b"},
      {"5 µs × 2 °C …",
       "5 \\ensuremath{\\mu}s \\ensuremath{\\times} 2 \\ensuremath{^\\circ}C \\ldots{}"},
      {"größer", "größer"},
  };
  for (const auto& [text, escaped] : cases) {
    EXPECT_THAT(Cell(text), HasSubstr("    " + escaped + " \\\\\n"));
    const std::string written = Written({Grid{text, {text}, {{"1"}}}, Lines{text}});
    EXPECT_THAT(written, HasSubstr("  \\caption{" + escaped + "}\n"));
    EXPECT_THAT(written, HasSubstr("    {" + escaped + "} \\\\\n"));
    EXPECT_THAT(written, HasSubstr("\\footnotesize " + escaped + "\\par}"));
  }
}

TEST(Latex, HasTheRunsAndTheCommandAsComments) {
  Document document;
  document.blocks = [] { return std::vector<Block>{Grid{"", {"t"}, {{"1"}}}}; };
  document.sources = [] { return Lines{"runs: 17.1, 18.1", "made by: torchlap\n\\evil"}; };
  EXPECT_THAT(Printed(kLatex, document),
              HasSubstr("\n% runs: 17.1, 18.1\n% made by: torchlap\\n\\evil\n\\begin{table}\n"));
}

TEST(Latex, HasLinesBeforeATableAsComments) {
  EXPECT_THAT(Written({Lines{"first"}, Grid{"", {"t"}, {{"1"}}}}),
              HasSubstr("\n% first\n\n\\begin{table}\n"));
}

TEST(Latex, WritesThingsAndFindingsAsTables) {
  Fields fields;
  fields.heading = "daemon";
  fields.Add("pid", "812");
  Checklist list;
  list.items = {{"problem", "cuda:0", "hot", ""}};
  list.summary = "1 problem";
  const std::string text = Written({fields, list});
  EXPECT_THAT(text, HasSubstr("  \\caption{daemon}\n"));
  EXPECT_THAT(text, HasSubstr("    pid & 812 \\\\\n"));
  EXPECT_THAT(text, HasSubstr("    problem & cuda:0 & hot & - \\\\\n"));
  EXPECT_THAT(text, HasSubstr("\\footnotesize 1 problem\\par}\n\\end{table}\n"));
}

TEST(Latex, OfNothingIsNothing) {
  EXPECT_EQ(Written({}), "");
  EXPECT_EQ(Written({Grid{"caption", {"t"}, {}}}), "");
}

TEST(OwnCaption, StandsOverTheConditionsWhichMoveBelow) {
  const Document given = ShowResults({SmallRun()});
  const std::string text = Printed(kLatex, WithCaption(given, "Mine & yours", "tab:x"));
  EXPECT_THAT(text, HasSubstr("  \\caption{Mine \\& yours}\n  \\label{tab:x}\n"));
  EXPECT_THAT(text, HasSubstr("{\\footnotesize cs336-2025, forward-backward, "));
  EXPECT_THAT(Printed(kLatex, WithCaption(given, "", "")), HasSubstr("\\caption{cs336-2025, "));
  EXPECT_THAT(Printed(kWriteup, WithCaption(given, "Mine", "")), StartsWith("Mine\n\n"));
}

TEST(OwnCaption, GivesEachTableAReferenceOfItsOwn) {
  Document document;
  document.blocks = [] {
    const Grid grid{"", {"t"}, {{"1"}}};
    return std::vector<Block>{grid, grid};
  };
  const std::string text = Printed(kLatex, WithCaption(document, "", "tab:x"));
  EXPECT_THAT(text, HasSubstr("\\label{tab:x}\n"));
  EXPECT_THAT(text, HasSubstr("\\label{tab:x-2}\n"));
}

}  // namespace
}  // namespace torchlap::client::format
