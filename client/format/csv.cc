// `csv`: a header and a line a row, quoted by RFC 4180 where needed, lines ended by \n. Empty for
// unknown.
#include "client/format/format.h"

namespace torchlap::client::format {
namespace {

std::string Quoted(const std::string& text) {
  const bool plain = text.find_first_of(",\"\r\n") == std::string::npos &&
                     (text.empty() || (text.front() != ' ' && text.back() != ' '));
  if (plain) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

const std::string& Text(const std::string& name) { return name; }
std::string Text(const Value& value) { return ValueText(value); }

template <typename Cell>
void WriteLine(const std::vector<Cell>& cells, std::ostream& out) {
  const char* separator = "";
  for (const Cell& cell : cells) {
    out << separator << Quoted(Text(cell));
    separator = ",";
  }
  out << '\n';
}

absl::Status Write(const Document& document, std::ostream& out) {
  WriteLine(document.rows.names, out);
  return document.rows.each([&out](const std::vector<Value>& row) { WriteLine(row, out); });
}

}  // namespace

constinit const Format kCsv = {
    "csv", "csv", {Content::kRuns, Content::kList, Content::kResult}, v1::ROW_KIND_RUN, Write};

}  // namespace torchlap::client::format
