// `writeup`: paragraphs of text, as the course's own benchmark prints them. What to do next is no
// part of the text.
#include "client/format/format.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

void WriteLines(const Lines& lines, std::ostream& out) {
  for (const std::string& line : lines) out << Visible(line) << '\n';
}

absl::Status Write(const Document& document, std::ostream& out) {
  const char* separator = "";
  for (const Lines& paragraph : document.paragraphs()) {
    out << separator;
    WriteLines(paragraph, out);
    separator = "\n";
  }
  return absl::OkStatus();
}

}  // namespace

constinit const Format kWriteup = {"writeup",         "",    {Content::kRuns},
                                   v1::ROW_KIND_CELL, Write, Advice::kAside};

}  // namespace torchlap::client::format
