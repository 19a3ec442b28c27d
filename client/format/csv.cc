// `csv`: a header and a line a row, quoted by RFC 4180 where needed, lines ended by \n. Empty for
// unknown.
//
// A text that a spreadsheet would take for a formula (it begins with = + - or @) gets an apostrophe
// in front; so does one that begins with an apostrophe, so that taking the first one off a text
// gives back what it was. Numbers, negative ones too, stay as they are.
#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "client/format/format.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

bool MustBeQuoted(std::string_view text) {
  if (text.empty()) return false;
  if (text.front() == ' ' || text.back() == ' ') return true;
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == ',' || c == '"' || c == '\r' || c == '\n'; });
}

// What stands in `line` from `begin` on.
void QuoteFrom(size_t begin, std::string* line) {
  const std::string text = line->substr(begin);
  line->resize(begin);
  *line += '"';
  for (const char c : text) {
    if (c == '"') *line += '"';
    *line += c;
  }
  *line += '"';
}

bool IsText(const Value& value) {
  return std::holds_alternative<std::string>(value) ||
         std::holds_alternative<std::map<std::string, std::string>>(value);
}

// Makes a text of what stands in `line` from `begin` on.
void KeepTextFrom(size_t begin, std::string* line) {
  const std::string_view text = std::string_view(*line).substr(begin);
  if (FirstUnseen(text)) line->replace(begin, std::string::npos, Visible(text));
  const bool is_risky = line->size() > begin &&
                        std::string_view("=+-@'").find((*line)[begin]) != std::string_view::npos;
  if (is_risky) line->insert(begin, 1, '\'');
}

void AppendCell(const std::string& text, std::string* line) {
  const size_t begin = line->size();
  *line += text;
  if (MustBeQuoted(text)) QuoteFrom(begin, line);
}

// Numbers have nothing to be quoted.
void AppendCell(const Value& value, std::string* line) {
  const size_t begin = line->size();
  AppendValueText(value, line);
  if (!IsText(value)) return;
  KeepTextFrom(begin, line);
  if (MustBeQuoted(std::string_view(*line).substr(begin))) QuoteFrom(begin, line);
}

template <typename Cell>
void WriteLine(const std::vector<Cell>& cells, std::string* line, std::ostream& out) {
  line->clear();
  for (const Cell& cell : cells) {
    if (&cell != &cells.front()) *line += ',';
    AppendCell(cell, line);
  }
  *line += '\n';
  out.write(line->data(), static_cast<std::streamsize>(line->size()));
}

// The header stands above the first row, or alone where there is none: not where rows could not
// even begin.
absl::Status Write(const Document& document, std::ostream& out) {
  std::string line;
  bool has_header = false;
  const auto write_header = [&] {
    if (!has_header) WriteLine(document.rows.names, &line, out);
    has_header = true;
  };
  const absl::Status status = document.rows.each([&](const std::vector<Value>& row) {
    write_header();
    WriteLine(row, &line, out);
    return out.good();
  });
  if (status.ok()) write_header();
  return status;
}

}  // namespace

constinit const Format kCsv = {
    "csv",
    "csv",
    {Content::kRuns, Content::kList, Content::kResult, Content::kSamples, Content::kTable},
    v1::ROW_KIND_RUN,
    Write};

}  // namespace torchlap::client::format
