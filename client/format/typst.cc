// `typst`: a figure with a table, for a paper. Texts are string literals, in which nothing is
// markup. Lines that belong to a table stand small below it, others are comments, and so are the
// runs that the numbers come from. What to do next is no part of the text.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <variant>

#include "client/format/format.h"
#include "client/format/run_columns.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

// A string literal of Typst.
std::string AsLiteral(std::string_view text) {
  std::string literal = "\"";
  for (const char c : Visible(text)) {
    if (c == '"' || c == '\\') literal += '\\';
    literal += c;
  }
  return literal + '"';
}

bool LooksLikeANumber(const std::string& cell) {
  const bool begins_with_digit = !cell.empty() && cell.front() >= '0' && cell.front() <= '9';
  return begins_with_digit || cell == kNotApplicable || cell.rfind("±", 0) == 0;
}

// Why a cell has no number does not change where the others stand. The first column names the rows:
// to the left, unless it has nothing but numbers.
const char* AlignmentOf(const Grid& grid, size_t column) {
  const auto numbers =
      static_cast<size_t>(std::count_if(grid.rows.begin(), grid.rows.end(), [&](const auto& row) {
        return LooksLikeANumber(row[column]);
      }));
  const bool is_right = column == 0 ? numbers == grid.rows.size() : numbers > 0;
  return is_right ? "right" : "left";
}

std::string RowText(const std::vector<std::string>& cells) {
  std::string text;
  for (const std::string& cell : cells) text += (text.empty() ? "" : ", ") + AsLiteral(cell);
  return text;
}

std::string TableText(const Grid& grid) {
  std::string alignments;
  for (size_t i = 0; i < grid.titles.size(); ++i) {
    alignments += std::string(i == 0 ? "" : ", ") + AlignmentOf(grid, i);
  }
  std::string text = fmt::format(
      "    table(\n      columns: {},\n      align: ({},),\n      stroke: none,\n"
      "      table.hline(),\n      table.header({}),\n      table.hline(stroke: 0.5pt),\n",
      grid.titles.size(), alignments, RowText(grid.titles));
  for (const auto& row : grid.rows) text += "      " + RowText(row) + ",\n";
  return text + "      table.hline(),\n    ),\n";
}

std::string CommentLine(const std::string& text) { return "// " + Visible(text) + "\n"; }

class BlockWriter {
 public:
  explicit BlockWriter(std::string* text) : text_(text) {}

  void operator()(const Grid& grid) {
    if (grid.rows.empty()) return;
    End();
    if (!text_->empty()) *text_ += '\n';
    *text_ += "#figure(\n  stack(\n    spacing: 0.8em,\n" + TableText(grid);
    end_ = "  ),\n  kind: table,\n";
    if (!grid.caption.empty()) end_ += "  caption: " + AsLiteral(grid.caption) + ",\n";
    end_ += grid.reference.empty() ? ")\n" : fmt::format(") <{}>\n", grid.reference);
    (*this)(grid.key);
  }

  // What is behind an empty line is not of the table before it.
  void operator()(const Lines& lines) {
    for (const std::string& line : lines) {
      if (line.empty()) {
        End();
        *text_ += '\n';
        continue;
      }
      *text_ += end_.empty() ? CommentLine(line)
                             : fmt::format("    text(size: 0.8em, {}),\n", AsLiteral(line));
    }
  }

  void operator()(const Fields& fields) { (*this)(AsGrid(fields)); }

  void operator()(const Checklist& list) {
    (*this)(AsGrid(list));
    if (!list.summary.empty()) (*this)(Lines{list.summary});
  }

  void End() {
    *text_ += end_;
    end_.clear();
  }

 private:
  std::string* text_;
  std::string end_;  // of the figure that is open; empty: none is
};

absl::Status Write(const Document& document, std::ostream& out) {
  std::string text;
  BlockWriter write(&text);
  for (const Block& block : document.blocks()) std::visit(write, block);
  write.End();
  if (text.empty()) return absl::OkStatus();
  if (document.sources) {
    for (const std::string& line : document.sources()) out << CommentLine(line);
  }
  out << text;
  return absl::OkStatus();
}

}  // namespace

constinit const Format kTypst = {
    "typst",
    "typ",
    {Content::kRuns, Content::kList, Content::kResult, Content::kTable},
    v1::ROW_KIND_CELL,
    Write,
    Advice::kAside,
    /*has_references=*/true};

}  // namespace torchlap::client::format
