// `markdown`: GitHub's, to be pasted into a text. A blank line between blocks. What would be more
// than text there (bars, code, tags, links, images) is escaped. What to do next is no part of the
// text.
#include <algorithm>

#include "client/format/aligned.h"
#include "client/format/format.h"
#include "client/format/run_columns.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

// What begins a cell, code or a tag, and the bracket that makes a link or an image of the one
// before; a backslash would take the escape back.
std::string AsText(std::string_view text) {
  constexpr std::string_view kMeaning = "\\|`<";
  std::string escaped;
  for (const char c : Visible(text)) {
    const bool links = c == '(' && escaped.ends_with(']');
    if (links || kMeaning.find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// Numbers that do not count. No number has a `~` of its own.
Grid WithStruck(const Grid& given, Grid grid) {
  for (const auto& [row, title] : given.struck) {
    const auto place = std::find(given.titles.begin(), given.titles.end(), title);
    if (place == given.titles.end() || given.rows[row].empty()) continue;
    std::string& cell = grid.rows[row][static_cast<size_t>(place - given.titles.begin())];
    if (!cell.empty() && cell != kNotApplicable) cell = "~~" + cell + "~~";
  }
  return grid;
}

class BlockWriter {
 public:
  explicit BlockWriter(std::ostream& out) : out_(out) {}

  void operator()(const Grid& grid) {
    if (grid.rows.empty()) return;
    if (!grid.caption.empty()) (*this)(Lines{grid.caption});
    BeginBlock();
    WriteAligned(WithStruck(grid, Escaped(grid, AsText)), out_);
  }

  void operator()(const Lines& lines) {
    if (lines.empty()) return;
    BeginBlock();
    for (const std::string& line : lines) out_ << AsText(line) << '\n';
  }

  // Fenced: nothing in it is markdown.
  void operator()(const Drawing& drawing) {
    if (drawing.lines.empty()) return;
    BeginBlock();
    out_ << "```\n";
    for (const std::string& line : drawing.lines) out_ << Visible(line) << '\n';
    out_ << "```\n";
  }

  void operator()(const Fields& fields) { (*this)(AsGrid(fields)); }
  void operator()(const Checklist& list) { (*this)(AsGrid(list)); }

 private:
  void BeginBlock() {
    if (!is_first_) out_ << '\n';
    is_first_ = false;
  }

  std::ostream& out_;
  bool is_first_ = true;
};

absl::Status Write(const Document& document, std::ostream& out) {
  BlockWriter write(out);
  for (const Block& block : document.blocks()) std::visit(write, block);
  return absl::OkStatus();
}

}  // namespace

constinit const Format kMarkdown = {
    "markdown",        "md",  {Content::kRuns, Content::kList, Content::kResult, Content::kTable},
    v1::ROW_KIND_CELL, Write, Advice::kAside};

}  // namespace torchlap::client::format
