#include "proto/base/man_page.h"

#include <gtest/gtest.h>

#include <string>

namespace torchlap {
namespace {

// What a page has behind its head.
std::string Body(const ManPage& page) {
  static const std::string head = ManPage("p", 1, "v", "w").text();
  EXPECT_EQ(page.text().substr(0, head.size()), head);
  return page.text().substr(head.size());
}

ManPage Empty() { return ManPage("p", 1, "v", "w"); }

TEST(ManPage, BeginsWithItsNameAndWhatItIs) {
  const ManPage page("torchlap", 1, "torchlap 0.1.0", "a run-time");
  EXPECT_EQ(page.text().substr(0, page.text().find(".nh")),
            ".TH \"TORCHLAP\" 1 \"\" \"torchlap 0.1.0\"\n");
  EXPECT_NE(page.text().find(".SH \"NAME\"\ntorchlap \\- a run\\-time\n"), std::string::npos);
}

TEST(ManPage, HasFlagsWithTheirValues) {
  ManPage page = Empty();
  page.Flag({"--output", "-o"}, "FILE", "write to it");
  page.Flag({"--yes"}, "", "");
  page.Placeholder("ID", "17.2");
  EXPECT_EQ(Body(page),
            ".TP\n\\fB\\-\\-output\\fR, \\fB\\-o\\fR \\fIFILE\\fR\nwrite to it\n"
            ".TP\n\\fB\\-\\-yes\\fR\n\\&\n"
            ".TP\n\\fIID\\fR\n17.2\n");
}

TEST(ManPage, EscapesWhatTroffWouldTakeForItsOwn) {
  ManPage page = Empty();
  page.Section("a \"b\"");
  page.Paragraph(".so /etc/passwd \\n(.g 'q' `c` ~ ^");
  EXPECT_EQ(Body(page),
            ".SH \"a \\(dqb\\(dq\"\n"
            "\\&.so /etc/passwd \\(rsn(.g \\(aqq\\(aq \\(gac\\(ga \\(ti \\(ha\n");
}

TEST(ManPage, WritesCharactersBeyondAsciiByNumber) {
  ManPage page = Empty();
  page.Paragraph("± 4 µs → 日 🚀");
  EXPECT_EQ(Body(page), ".PP\n\\[u00B1] 4 \\[u00B5]s \\[u2192] \\[u65E5] \\[u1F680]\n");
}

TEST(ManPage, BeginsNoParagraphBelowATitle) {
  ManPage page = Empty();
  page.Section("A");
  page.Paragraph("one");
  page.Paragraph("two");
  page.Subsection("b");
  page.Verbatim("three");
  EXPECT_EQ(Body(page), ".SH \"A\"\none\n.PP\ntwo\n.SS \"b\"\n.nf\nthree\n.fi\n");
}

TEST(ManPage, FillsParagraphsAndKeepsLinesOfVerbatimText) {
  ManPage page = Empty();
  page.Paragraph("one\n  two");
  page.Verbatim("  a  b\n\n.c\n");
  EXPECT_EQ(Body(page), ".PP\none two\n.PP\n.nf\n  a  b\n\\&\n\\&.c\n.fi\n");
}

TEST(ManPage, BreaksItsSourceBeforeTheEightiethColumn) {
  ManPage page = Empty();
  page.Paragraph(std::string(70, 'x') + " fits. .hidden");
  EXPECT_EQ(Body(page), ".PP\n" + std::string(70, 'x') + " fits.\n\\&.hidden\n");
  ManPage dotted = Empty();
  dotted.Paragraph(std::string(70, 'x') + " .hidden");
  EXPECT_EQ(Body(dotted), ".PP\n" + std::string(70, 'x') + "\n\\&.hidden\n");
}

}  // namespace
}  // namespace torchlap
