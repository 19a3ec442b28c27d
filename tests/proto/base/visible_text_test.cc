#include "proto/base/visible_text.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace torchlap {
namespace {

using namespace std::string_literals;

TEST(VisibleText, OfPeopleStaysAsItIs) {
  for (const std::string text :
       {"", "python3", "a|b `c` <d> =e \\ 'f' \"g\"", "Käthe", "日本語", "± 4 µs …", "Ελένη",
        "עברית", "e\u0301", "🚀", "\u00a0", "\\x1b is four characters"}) {
    EXPECT_EQ(Visible(text), text);
    EXPECT_EQ(FirstUnseen(text), std::nullopt) << text;
  }
}

TEST(VisibleText, WritesOutWhatCannotBeSeenOrForges) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\x1b]0;title\x07", "\\x1b]0;title\\x07"},
      {"a\nb\tc\rd", "a\\nb\\tc\\rd"},
      {"a\0b"s, "a\\x00b"},
      {"\x7f", "\\x7f"},
      {"\u0085\u009b31m", "\\u0085\\u009b31m"},
      {"user\u202egpj.exe", "user\\u202egpj.exe"},
      {"\u202a\u2066\u2069\u200e\u200f\u061c", "\\u202a\\u2066\\u2069\\u200e\\u200f\\u061c"},
      {"a\u200bb\u200dc\ufeff\u00ad", "a\\u200bb\\u200dc\\ufeff\\u00ad"},
      {"a\u2028b\u2029", "a\\u2028b\\u2029"},
      {"\u3164\u115f\ufe0f", "\\u3164\\u115f\\ufe0f"},
      {"\U000e0041", "\\U000e0041"},
      {"Käthe\x1b", "Käthe\\x1b"},
  };
  for (const auto& [text, visible] : cases) {
    EXPECT_EQ(Visible(text), visible);
    EXPECT_TRUE(FirstUnseen(text).has_value()) << visible;
  }
}

TEST(VisibleText, WritesOutWhatIsNotAssigned) {
  EXPECT_EQ(Visible("\u0378"), "\\u0378");
  EXPECT_EQ(Visible("\ufdd0"), "\\ufdd0");
  EXPECT_EQ(Visible("\U0010ffff"), "\\U0010ffff");
}

TEST(VisibleText, WritesOutBytesThatAreNotUtf8) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a\xff\xfe", "a\\xff\\xfe"},
      {"\x80", "\\x80"},
      {"\xc3", "\\xc3"},           // ends too early
      {"\xc3(", "\\xc3("},         // goes on wrongly
      {"\xc0\xaf", "\\xc0\\xaf"},  // longer than need be: a slash
      {"\xc1\x9b", "\\xc1\\x9b"},
      {"\xe0\x82\x9b", "\\xe0\\x82\\x9b"},           // so is this: U+009B
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // half of a pair
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond the last
      {"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80"},
      {"\xe2\x80", "\\xe2\\x80"},
  };
  for (const auto& [text, visible] : cases) EXPECT_EQ(Visible(text), visible);
}

TEST(VisibleText, TwiceIsOnce) {
  for (const std::string text : {"\x1b[2J", "\xff", "\u202e", "a\nb", "\\x1b"}) {
    EXPECT_EQ(Visible(Visible(text)), Visible(text));
    EXPECT_EQ(FirstUnseen(Visible(text)), std::nullopt);
  }
}

TEST(VisibleText, OfEveryShortStringOfBytesHasNothingLeftToWriteOut) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      ASSERT_EQ(FirstUnseen(Visible(text)), std::nullopt) << first << " " << second;
      ASSERT_EQ(FirstUnseen(text).has_value(), Visible(text) != text) << first << " " << second;
    }
  }
}

TEST(VisibleText, NamesTheFirstThatIsUnseen) {
  EXPECT_EQ(FirstUnseen("abc\u202e\x1b"), "\\u202e");
  EXPECT_EQ(FirstUnseen("abc\xff\x1b"), "\\xff");
  EXPECT_EQ(FirstUnseen("\n"), "\\n");
}

TEST(CutText, IsCutBetweenCharactersAndSaysSo) {
  EXPECT_EQ(CutText("abcdef", 6), "abcdef");
  EXPECT_EQ(CutText("abcdefg", 6), "abc…");
  EXPECT_EQ(CutText("abäöü", 6), "ab…");
  EXPECT_EQ(CutText("äöüß", 7), "äö…");
  EXPECT_EQ(CutText("日本語日本語", 10), "日本…");
  EXPECT_EQ(CutText("", 3), "");
  EXPECT_EQ(CutText("abcd", 3), "…");
}

TEST(CutText, IsNeverLongerThanAsked) {
  const std::string text = "a日b🚀c\u00e9d日b🚀c";
  for (size_t most = 3; most < text.size(); ++most) {
    const std::string cut = CutText(text, most);
    EXPECT_LE(cut.size(), most);
    EXPECT_EQ(FirstUnseen(cut), std::nullopt) << most;
  }
}

TEST(VisibleUpTo, NeitherTearsACharacterNorLeavesWhatIsUnseen) {
  std::string letters;
  while (letters.size() < 100) letters += "日本ä🚀c";
  for (size_t most = 3; most <= letters.size() + 1; ++most) {
    const std::string shown = VisibleUpTo(most, letters);
    EXPECT_LE(shown.size(), most);
    EXPECT_EQ(shown.find('\\'), std::string::npos) << most;
    EXPECT_EQ(shown == letters, most >= letters.size());
  }
  EXPECT_EQ(VisibleUpTo(12, "\x1b\x1b\x1b"), "\\x1b\\x1b\\x1b");
  EXPECT_EQ(VisibleUpTo(11, "\x1b\x1b\x1b"), "\\x1b\\x1b…");
}

TEST(CharsOf, AreCountedWhateverTheirBytes) {
  EXPECT_EQ(CharsOf(""), 0U);
  EXPECT_EQ(CharsOf("abc"), 3U);
  EXPECT_EQ(CharsOf("\u00e9\u4e00\U0001f600x"), 4U);
}

}  // namespace
}  // namespace torchlap
