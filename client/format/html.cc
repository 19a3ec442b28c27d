#include "client/format/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "proto/base/visible_text.h"
#include "proto/words.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {
namespace {

constexpr size_t kLongestNameInALineBytes = 20;

struct Mark {
  const char* word;
  const char* kind;  // a class of the style sheet
  const char* sign;
};

constexpr std::array kMarks = {
    Mark{"clean", "good", "✓"},       Mark{"faster", "good", "▼"},
    Mark{"OK", "good", "✓"},          Mark{"same", "plain", "="},
    Mark{"unverified", "plain", "○"}, Mark{"inconclusive", "plain", "?"},
    Mark{"suspect", "warn", "▲"},     Mark{"contaminated", "bad", "■"},
    Mark{"slower", "bad", "▲"},       Mark{"not comparable", "plain", "○"},
    Mark{"QUEUED", "plain", "…"},     Mark{"RUNNING", "plain", "…"},
    Mark{"unfinished", "plain", "…"},
};

// What is none of these did not end OK.
Mark MarkOf(const std::string& word) {
  const auto* const mark = std::find_if(kMarks.begin(), kMarks.end(),
                                        [&word](const Mark& known) { return word == known.word; });
  return mark == kMarks.end() ? Mark{"", "bad", "✕"} : *mark;
}

const char* Entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return nullptr;
  }
}

bool BeginsLikeANumber(const std::string& cell) {
  if (cell.empty() || cell == "-") return true;
  if (std::isdigit(static_cast<unsigned char>(cell.front())) != 0) return true;
  const bool has_sign = cell.front() == '+' || cell.front() == '-' || cell.rfind("±", 0) == 0;
  return has_sign && cell.find_first_of("0123456789") != std::string::npos;
}

// Of a run that has no numbers, in place of them.
bool IsState(const std::string& cell) {
  return ParseWord<v1::Outcome>(cell).has_value() || ParseWord<v1::JobState>(cell).has_value();
}

bool IsOfNumbers(const Grid& grid, size_t column) {
  return grid.titles[column] != "verdict" && grid.titles[column] != "note" &&
         std::all_of(grid.rows.begin(), grid.rows.end(), [column](const auto& row) {
           return BeginsLikeANumber(row[column]) || IsState(row[column]);
         });
}

std::string CellContent(const std::string& title, const std::string& cell) {
  if (cell == "-") return "<span class=\"none\" aria-label=\"no value\">–</span>";
  if (title != "verdict" || cell.empty()) return Html(cell);
  const size_t space = cell.find('\n');
  if (space == std::string::npos) return HtmlBadge(cell);
  return HtmlBadge(cell.substr(0, space)) + "<br>" + Html(cell.substr(space + 1));
}

std::string CellClass(const Grid& grid, size_t column, bool is_number) {
  if (grid.titles[column] == "note" || grid.titles[column] == "verdict") return " class=\"note\"";
  return is_number ? " class=\"number\"" : "";
}

std::string TableHead(const Grid& grid, const std::vector<bool>& is_number) {
  std::string html = "<thead><tr>";
  for (size_t i = 0; i < grid.titles.size(); ++i) {
    html += fmt::format("<th scope=\"col\"{}>{}</th>", CellClass(grid, i, is_number[i]),
                        Html(grid.titles[i]));
  }
  return html + "</tr></thead>\n";
}

// How many cells from this one on are one cell: a state that is said for several numbers.
size_t Span(const std::vector<std::string>& row, size_t column) {
  size_t end = column + 1;
  while (end < row.size() && row[end] == row[column] && IsState(row[column])) ++end;
  return end - column;
}

// A number that does not count is struck.
std::string StruckContent(const Grid& grid, size_t row, size_t column) {
  const std::string& cell = grid.rows[row][column];
  std::string content = CellContent(grid.titles[column], cell);
  const bool is_struck = cell != "-" && grid.struck.count({row, grid.titles[column]}) > 0;
  return is_struck ? "<s>" + content + "</s>" : content;
}

std::string TableRow(const Grid& grid, size_t index, const std::vector<bool>& is_number) {
  const std::vector<std::string>& row = grid.rows[index];
  std::string html =
      fmt::format("<tr><th scope=\"row\">{}</th>", CellContent(grid.titles.front(), row.front()));
  for (size_t i = 1; i < row.size();) {
    const size_t span = Span(row, i);
    const bool stands_right = is_number[i] && !IsState(row[i]);
    html += fmt::format("<td{}{}>{}</td>", CellClass(grid, i, stands_right),
                        span > 1 ? fmt::format(" colspan=\"{}\"", span) : "",
                        StruckContent(grid, index, i));
    i += span;
  }
  return html + "</tr>\n";
}

// Names of cells, which may take more than a line where the window is narrow: a row's name stays
// in view while the row is scrolled.
bool HasLongNames(const Grid& grid) {
  return std::any_of(grid.rows.begin(), grid.rows.end(),
                     [](const auto& row) { return row.front().size() > kLongestNameInALineBytes; });
}

std::string Paragraphs(const Lines& lines) {
  std::string html;
  for (const std::string& line : lines) html += fmt::format("<p>{}</p>\n", Html(line));
  return html;
}

std::string FieldTable(const Fields& fields) {
  std::string html = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\"><table class=\"fields\">"
      "<caption><span>{}</span></caption>\n<tbody>",
      Html(fields.heading));
  for (const auto& [name, value] : fields.values) {
    html += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", Html(name), Html(value));
  }
  return html + "</tbody></table></div>\n";
}

std::string FindingList(const Checklist& list) {
  std::string html = "<ul>\n";
  for (const Checklist::Item& item : list.items) {
    html += fmt::format("<li>{} {}: {} {}</li>\n", Html(item.severity), Html(item.subject),
                        Html(item.finding), Html(item.remedy));
  }
  return html + fmt::format("</ul>\n<p>{}</p>\n", Html(list.summary));
}

}  // namespace

std::string Html(std::string_view text) {
  std::string html;
  for (const char c : Visible(text)) {
    if (const char* entity = Entity(c); entity != nullptr) {
      html += entity;
    } else {
      html += c;
    }
  }
  return html;
}

std::string HtmlBadge(const std::string& word) {
  const Mark mark = MarkOf(word);
  return fmt::format("<span class=\"badge {}\"><span aria-hidden=\"true\">{}</span> {}</span>",
                     mark.kind, mark.sign, Html(word));
}

std::string HtmlTable(const Grid& grid) {
  if (grid.rows.empty()) return "";
  std::vector<bool> is_number;
  for (size_t i = 0; i < grid.titles.size(); ++i) is_number.push_back(IsOfNumbers(grid, i));
  std::string html = fmt::format("<div class=\"scroll\" tabindex=\"0\"><table{}>\n",
                                 HasLongNames(grid) ? " class=\"named\"" : "");
  if (!grid.caption.empty())
    html += fmt::format("<caption><span>{}</span></caption>\n", Html(grid.caption));
  html += TableHead(grid, is_number) + "<tbody>\n";
  for (size_t i = 0; i < grid.rows.size(); ++i) html += TableRow(grid, i, is_number);
  return html + "</tbody></table></div>\n";
}

std::string HtmlBlock(const Block& block) {
  if (const Grid* grid = std::get_if<Grid>(&block)) return HtmlTable(*grid);
  if (const Lines* lines = std::get_if<Lines>(&block)) return Paragraphs(*lines);
  if (const Fields* fields = std::get_if<Fields>(&block)) return FieldTable(*fields);
  return FindingList(std::get<Checklist>(block));
}

std::string HtmlDetails(const std::string& summary, const std::string& content) {
  if (content.empty()) return "";
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", Html(summary), content);
}

}  // namespace torchlap::client::format
