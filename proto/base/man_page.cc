#include "proto/base/man_page.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>

namespace torchlap {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

// Typewriter characters: troff makes typographic ones of those that stand alone.
std::string_view EscapeOf(char c) {
  constexpr std::array<std::pair<char, std::string_view>, 7> kEscapes = {{{'\\', "\\(rs"},
                                                                          {'-', "\\-"},
                                                                          {'\'', "\\(aq"},
                                                                          {'"', "\\(dq"},
                                                                          {'`', "\\(ga"},
                                                                          {'^', "\\(ha"},
                                                                          {'~', "\\(ti"}}};
  for (const auto& [plain, escape] : kEscapes) {
    if (plain == c) return escape;
  }
  return {};
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

// The code point that begins at `at`, which is moved behind it; of well-formed UTF-8.
uint32_t NextCodePoint(std::string_view text, size_t* at) {
  const auto lead = static_cast<unsigned char>(text[(*at)++]);
  uint32_t code = lead >= 0xF0 ? lead & 0x07U : lead >= 0xE0 ? lead & 0x0FU : lead & 0x1FU;
  while (*at < text.size() && IsContinuation(text[*at])) {
    code = code << 6U | (static_cast<unsigned char>(text[(*at)++]) & 0x3FU);
  }
  return code;
}

std::string CodePoint(uint32_t code) {
  std::array<char, 16> written{};
  snprintf(written.data(), written.size(), "\\[u%04X]", static_cast<unsigned>(code));
  return written.data();
}

// Of text without line ends.
std::string Escaped(std::string_view text) {
  std::string troff;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80) {
      troff += CodePoint(NextCodePoint(text, &i));
      continue;
    }
    const std::string_view escape = EscapeOf(c);
    if (escape.empty()) {
      troff += c;
    } else {
      troff += escape;
    }
    ++i;
  }
  return troff;
}

// A line of text: a dot at its start would be a request.
std::string TextLine(std::string_view text) {
  const std::string escaped = Escaped(text);
  return !escaped.empty() && escaped.front() == '.' ? "\\&" + escaped : escaped;
}

// The title of a page is in capitals by custom.
std::string Capitals(std::string_view text) {
  std::string capitals(text);
  for (char& c : capitals) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return capitals;
}

// An argument of a macro. Escaped text has no quotes.
std::string Argument(std::string_view text) {
  std::string argument = "\"";
  argument += Escaped(text);
  return argument + "\"";
}

std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words;
  for (size_t begin = text.find_first_not_of(kSpaces); begin != std::string_view::npos;) {
    const size_t end = text.find_first_of(kSpaces, begin);
    words.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSpaces, end);
  }
  return words;
}

std::string Bold(std::string_view text) { return "\\fB" + Escaped(text) + "\\fR"; }
std::string Italic(std::string_view text) { return "\\fI" + Escaped(text) + "\\fR"; }

}  // namespace

ManPage::ManPage(std::string_view name, int section, std::string_view version,
                 std::string_view what) {
  Line(".TH " + Argument(Capitals(name)) + " " + std::to_string(section) + " \"\" " +
       Argument(version));
  // Names of flags are not to be broken, and lines not to be stretched around long ones.
  Line(".nh");
  Line(".ad l");
  Section("NAME");
  Line(Escaped(name) + " \\- " + Escaped(what));
}

void ManPage::Section(std::string_view title) {
  Line(".SH " + Argument(title));
  is_below_title_ = true;
}

void ManPage::Subsection(std::string_view title) {
  Line(".SS " + Argument(title));
  is_below_title_ = true;
}

// A title begins one itself.
void ManPage::BeginParagraph() {
  if (!is_below_title_) Line(".PP");
}

void ManPage::Paragraph(std::string_view text) {
  BeginParagraph();
  Filled(text);
}

void ManPage::Caption(std::string_view text) {
  BeginParagraph();
  Line(Italic(text));
}

void ManPage::Flag(const std::vector<std::string>& names, std::string_view value,
                   std::string_view text) {
  std::string tag;
  for (const std::string& name : names) tag += (tag.empty() ? "" : ", ") + Bold(name);
  if (!value.empty()) tag += " " + Italic(value);
  Line(".TP");
  Line(tag);
  Filled(text);
}

void ManPage::Placeholder(std::string_view name, std::string_view text) {
  Line(".TP");
  Line(Italic(name));
  Filled(text);
}

void ManPage::Verbatim(std::string_view text) {
  BeginParagraph();
  Line(".nf");
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string line = TextLine(text.substr(0, end));
    Line(line.empty() ? "\\&" : line);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  Line(".fi");
}

void ManPage::Line(std::string_view troff) {
  text_.append(troff).append("\n");
  is_below_title_ = false;
}

void ManPage::Filled(std::string_view text) {
  // Lines of a page's source are short by custom.
  constexpr size_t kWidth = 76;
  std::string line;
  for (const std::string& word : WordsOf(text)) {
    if (!line.empty() && line.size() + word.size() >= kWidth) {
      Line(TextLine(line));
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  // A tag without text would take the next tag for it.
  Line(line.empty() ? "\\&" : TextLine(line));
}

}  // namespace torchlap
