#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/format/format.h"
#include "tests/client/printed.h"

namespace torchlap::client::format {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Written(std::vector<Block> blocks) {
  Document document;
  document.blocks = [blocks = std::move(blocks)] { return blocks; };
  return Printed(kTypst, document);
}

TEST(Typst, IsAFigureWithATable) {
  Grid grid{"the caption", {"size", "step (ms)"}, {{"small", "152.3 ± 8.5"}, {"xl", "OOM"}}};
  grid.reference = "tab:speed";
  EXPECT_EQ(Written({grid, Lines{"± is noise"}}),
            "#figure(\n"
            "  stack(\n"
            "    spacing: 0.8em,\n"
            "    table(\n"
            "      columns: 2,\n"
            "      align: (left, right,),\n"
            "      stroke: none,\n"
            "      table.hline(),\n"
            "      table.header(\"size\", \"step (ms)\"),\n"
            "      table.hline(stroke: 0.5pt),\n"
            "      \"small\", \"152.3 ± 8.5\",\n"
            "      \"xl\", \"OOM\",\n"
            "      table.hline(),\n"
            "    ),\n"
            "    text(size: 0.8em, \"± is noise\"),\n"
            "  ),\n"
            "  kind: table,\n"
            "  caption: \"the caption\",\n"
            ") <tab:speed>\n");
}

TEST(Typst, HasNoCaptionAndNoLabelUnlessThereAreSome) {
  const std::string text = Written({Grid{"", {"t"}, {{"x"}}}});
  EXPECT_THAT(text, Not(HasSubstr("caption")));
  EXPECT_THAT(text, testing::EndsWith("  kind: table,\n)\n"));
  EXPECT_THAT(text, HasSubstr("align: (left,),"));
}

// In a literal nothing but these two means anything.
TEST(Typst, IsTextWhateverItIsMadeOf) {
  const std::string text = "\"); #panic(\\\n *a* $b$ <c> @d";
  const std::string literal = "\"\\\"); #panic(\\\\\\\\n *a* $b$ <c> @d\"";
  const std::string written = Written({Grid{text, {text}, {{text}}}, Lines{text}});
  EXPECT_THAT(written, HasSubstr("table.header(" + literal + "),"));
  EXPECT_THAT(written, HasSubstr("\n      " + literal + ",\n"));
  EXPECT_THAT(written, HasSubstr("caption: " + literal + ","));
  EXPECT_THAT(written, HasSubstr("text(size: 0.8em, " + literal + "),"));
}

TEST(Typst, HasTheRunsAndTheCommandAsComments) {
  Document document;
  document.blocks = [] { return std::vector<Block>{Lines{"first"}, Grid{"", {"t"}, {{"1"}}}}; };
  document.sources = [] { return Lines{"runs: 17.1", "made by: torchlap\n#evil"}; };
  EXPECT_THAT(Printed(kTypst, document),
              testing::StartsWith("// runs: 17.1\n// made by: torchlap\\n#evil\n// first\n\n"
                                  "#figure(\n"));
}

TEST(Typst, OfNothingIsNothing) {
  EXPECT_EQ(Written({}), "");
  EXPECT_EQ(Written({Grid{"caption", {"t"}, {}}}), "");
}

}  // namespace
}  // namespace torchlap::client::format
