// `table`: for a terminal. What cannot be seen there, or would steer it, becomes an escape.
#include <fmt/format.h>

#include <algorithm>

#include "client/format/aligned.h"
#include "client/format/format.h"
#include "client/format/words.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

Checklist Shown(Checklist list) {
  for (auto& item : list.items) {
    for (std::string* text : {&item.severity, &item.subject, &item.finding, &item.remedy}) {
      *text = Visible(*text);
    }
  }
  list.summary = Visible(list.summary);
  return list;
}

struct BlockWriter {
  std::ostream& out;
  bool is_first = true;

  // A table that has a caption stands apart from what is before it.
  void operator()(const Grid& grid) {
    if (grid.rows.empty()) return;
    if (!grid.in_short.empty()) return (*this)(Lines{grid.in_short});
    if (!grid.caption.empty() && !is_first) out << '\n';
    const Grid shown = Escaped(grid, Visible);
    if (!grid.caption.empty()) out << shown.caption << '\n';
    WriteAligned(shown, out);
  }

  void operator()(const Lines& lines) const {
    for (const std::string& line : lines) out << Visible(line) << '\n';
  }

  void operator()(const Fields& fields) const {
    if (!fields.heading.empty()) out << Visible(fields.heading) << '\n';
    for (const auto& [name, value] : fields.values) {
      out << fmt::format("  {:<12} {}\n", name, Visible(value));
    }
  }

  void operator()(const Checklist& given) const {
    const Checklist list = Shown(given);
    constexpr size_t kSeverityWidth = 7;  // of "problem"
    size_t width = 0;
    for (const auto& item : list.items) width = std::max(width, DisplayWidth(item.subject));
    for (const auto& item : list.items) {
      out << fmt::format("{:<{}}  {:<{}}  {}\n", item.severity, kSeverityWidth, item.subject, width,
                         item.finding);
      if (item.remedy.empty()) continue;
      out << std::string(kSeverityWidth + width + 4, ' ') << "do: " << item.remedy << '\n';
    }
    out << list.summary << '\n';
  }
};

absl::Status Write(const Document& document, std::ostream& out) {
  BlockWriter write{out};
  for (const Block& block : document.blocks()) {
    std::visit(write, block);
    write.is_first = false;
  }
  if (document.hints) write(document.hints());
  return absl::OkStatus();
}

}  // namespace

constinit const Format kTable = {
    "table",
    "txt",
    {Content::kRuns, Content::kList, Content::kResult, Content::kDetails, Content::kTable},
    v1::ROW_KIND_CELL,
    Write,
    Advice::kBelow};

}  // namespace torchlap::client::format
