// A page for man(1), written piece by piece: what is handed in is plain text, and stays what it is
// whatever troff would make of it (backslashes, hyphens, dots and quotes at the start of a line,
// characters beyond ASCII).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace torchlap {

class ManPage {
 public:
  // `torchlap`, 1, `torchlap 0.1.0`, and what stands behind the name in the list of pages.
  ManPage(std::string_view name, int section, std::string_view version, std::string_view what);

  void Section(std::string_view title);
  void Subsection(std::string_view title);
  // Filled: line ends of `text` are spaces.
  void Paragraph(std::string_view text);
  // A paragraph that stands out, as the title of some flags.
  void Caption(std::string_view text);
  // `--output, -o FILE`, and its text beside it. The value may be empty, and so may the text.
  void Flag(const std::vector<std::string>& names, std::string_view value, std::string_view text);
  // What stands in place of a word, such as SELECTOR.
  void Placeholder(std::string_view name, std::string_view text);
  // Every line as it is.
  void Verbatim(std::string_view text);

  // Troff, of the macros man(7) alone.
  const std::string& text() const { return text_; }

 private:
  void BeginParagraph();
  void Line(std::string_view troff);
  void Filled(std::string_view text);

  std::string text_;
  bool is_below_title_ = false;
};

}  // namespace torchlap
