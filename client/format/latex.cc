// `latex`: a `table` for a paper, with the rules of booktabs and, where a column has numbers, the
// columns of siunitx (versions 2 and 3), which set them by their decimal points. Lines that belong
// to a table stand small below it, others are comments, and so are the runs that the numbers come
// from. What would be more than text is escaped. What to do next is no part of the text.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <variant>

#include "client/format/format.h"
#include "client/format/run_columns.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

constexpr char kNeeds[] =
    "% needs \\usepackage{booktabs,siunitx}; letters that are not Latin need LuaLaTeX or XeLaTeX\n";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Also what begins an argument or a star behind the `\\` of the row before, and what becomes
// another sign behind one of its kind.
const char* EscapeOf(char c) {
  static const std::map<char, const char*> escapes = {
      {'\\', "\\textbackslash{}"},
      {'{', "\\{"},
      {'}', "\\}"},
      {'$', "\\$"},
      {'&', "\\&"},
      {'#', "\\#"},
      {'_', "\\_"},
      {'%', "\\%"},
      {'~', "\\textasciitilde{}"},
      {'^', "\\textasciicircum{}"},
      {'<', "\\textless{}"},
      {'>', "\\textgreater{}"},
      {'|', "\\textbar{}"},
      {'`', "\\textasciigrave{}"},
      {'"', "\\symbol{34}"},
      {'[', "{[}"},
      {']', "{]}"},
      {'*', "{*}"},
  };
  const auto place = escapes.find(c);
  return place == escapes.end() ? nullptr : place->second;
}

struct Sign {
  std::string_view text;
  std::string_view latex;
};

// Those that torchlap itself prints, for fonts that have Latin letters alone.
constexpr std::array<Sign, 5> kSigns = {{{"±", "\\ensuremath{\\pm}"},
                                         {"×", "\\ensuremath{\\times}"},
                                         {"°", "\\ensuremath{^\\circ}"},
                                         {"µ", "\\ensuremath{\\mu}"},
                                         {"…", "\\ldots{}"}}};

// Null: none begins here.
const Sign* SignAt(std::string_view text) {
  const auto place = std::find_if(kSigns.begin(), kSigns.end(), [text](const Sign& sign) {
    return text.substr(0, sign.text.size()) == sign.text;
  });
  return place == kSigns.end() ? nullptr : &*place;
}

// `--` would be a dash, and `''` a quotation mark.
bool WouldJoin(char c, const std::string& before) {
  return std::string_view("-',").find(c) != std::string_view::npos && !before.empty() &&
         before.back() == c;
}

std::string AsText(std::string_view given) {
  const std::string visible = Visible(given);
  std::string_view rest = visible;
  std::string escaped;
  while (!rest.empty()) {
    size_t length = 1;
    if (const Sign* sign = SignAt(rest)) {
      escaped += sign->latex;
      length = sign->text.size();
    } else if (const char* escape = EscapeOf(rest.front())) {
      escaped += escape;
    } else {
      if (WouldJoin(rest.front(), escaped)) escaped += "{}";
      escaped += rest.front();
    }
    rest.remove_prefix(length);
  }
  return escaped;
}

// `-152.3`, as digits before and after its point.
struct Number {
  std::string_view text;
  size_t whole = 0;
  size_t decimals = 0;
  bool is_negative = false;
};

// The number that a text begins with, which is taken off it.
std::optional<Number> TakeNumber(std::string_view* text) {
  Number number;
  std::string_view rest = *text;
  const auto take_digits = [&rest] {
    size_t count = 0;
    while (count < rest.size() && IsDigit(rest[count])) ++count;
    rest.remove_prefix(count);
    return count;
  };
  number.is_negative = !rest.empty() && rest.front() == '-';
  if (number.is_negative) rest.remove_prefix(1);
  number.whole = take_digits();
  if (number.whole == 0) return std::nullopt;
  if (rest.size() > 1 && rest[0] == '.' && IsDigit(rest[1])) {
    rest.remove_prefix(1);
    number.decimals = take_digits();
  }
  number.text = text->substr(0, text->size() - rest.size());
  *text = rest;
  return number;
}

bool TakePrefix(std::string_view prefix, std::string_view* text) {
  if (text->substr(0, prefix.size()) != prefix) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// A cell that siunitx can set: `152.3`, `152.3 ± 8.5`, either with a mark behind it, ` (a)`.
struct Measure {
  Number number;
  std::optional<Number> noise;
  std::string_view mark;
};

std::optional<Measure> ReadMeasure(std::string_view cell) {
  const auto number = TakeNumber(&cell);
  if (!number) return std::nullopt;
  Measure measure{*number, std::nullopt, ""};
  if (TakePrefix(" ± ", &cell)) {
    measure.noise = TakeNumber(&cell);
    if (!measure.noise || measure.noise->is_negative) return std::nullopt;
  }
  measure.mark = cell;
  const bool is_mark =
      cell.size() >= 4 && cell.substr(0, 2) == " (" && cell.back() == ')' &&
      std::all_of(cell.begin() + 2, cell.end() - 1, [](char c) { return c >= 'a' && c <= 'z'; });
  if (!cell.empty() && !is_mark) return std::nullopt;
  return measure;
}

// How a column is set.
struct Column {
  bool has_numbers = false;
  std::string code;  // in the argument of tabular
};

// Room for the longest number: `S[table-format=-4.1(3)]`. Digits of noise are counted down to the
// last decimal of the column.
std::string NumberColumn(const std::vector<Measure>& measures) {
  size_t whole = 0;
  size_t decimals = 0;
  size_t noise_whole = 0;
  bool has_noise = false;
  bool is_negative = false;
  for (const Measure& measure : measures) {
    whole = std::max(whole, measure.number.whole);
    decimals = std::max(decimals, measure.number.decimals);
    is_negative = is_negative || measure.number.is_negative;
    if (!measure.noise) continue;
    has_noise = true;
    noise_whole = std::max(noise_whole, measure.noise->whole);
    decimals = std::max(decimals, measure.noise->decimals);
  }
  const std::string point = decimals == 0 ? "" : fmt::format(".{}", decimals);
  const std::string noise = has_noise ? fmt::format("({})", noise_whole + decimals) : "";
  return fmt::format("S[table-format={}{}{}{}]", is_negative ? "-" : "", whole, point, noise);
}

// `128.6M`, `± 0.84` and what has no value stand to the right.
bool LooksLikeANumber(const std::string& cell) {
  return cell == kNotApplicable || (!cell.empty() && IsDigit(cell.front())) ||
         cell.rfind("±", 0) == 0;
}

// The first column names the rows: to the left, unless it has nothing but numbers.
Column ColumnOf(const Grid& grid, size_t index) {
  std::vector<Measure> measures;
  size_t numbers = 0;
  for (const auto& row : grid.rows) {
    if (const auto measure = ReadMeasure(row[index])) measures.push_back(*measure);
    numbers += LooksLikeANumber(row[index]) ? 1 : 0;
  }
  if (!measures.empty()) return {true, NumberColumn(measures)};
  const bool is_right = index == 0 ? numbers == grid.rows.size() : numbers > 0;
  return {false, is_right ? "r" : "l"};
}

// ` (a)`, raised: beside a number there is no room for more.
std::string MarkText(std::string_view mark) {
  if (mark.empty()) return "";
  return fmt::format("{{\\textsuperscript{{{}}}}}", std::string(mark.substr(2, mark.size() - 3)));
}

std::string CellText(const std::string& cell, const Column& column) {
  if (!column.has_numbers) return AsText(cell);
  const auto measure = ReadMeasure(cell);
  if (!measure) return "{" + AsText(cell) + "}";
  std::string text(measure->number.text);
  if (measure->noise) text += " \\pm " + std::string(measure->noise->text);
  return text + MarkText(measure->mark);
}

std::string RowText(const std::vector<std::string>& cells, const std::vector<Column>& columns) {
  std::string text = "    ";
  for (size_t i = 0; i < cells.size(); ++i) {
    text += (i == 0 ? "" : " & ") + CellText(cells[i], columns[i]);
  }
  return text + " \\\\\n";
}

std::string TitleText(const Grid& grid, const std::vector<Column>& columns) {
  std::string text = "    ";
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string title = AsText(grid.titles[i]);
    text += (i == 0 ? "" : " & ") + (columns[i].has_numbers ? "{" + title + "}" : title);
  }
  return text + " \\\\\n";
}

std::string TabularText(const Grid& grid) {
  std::vector<Column> columns;
  std::string codes;
  for (size_t i = 0; i < grid.titles.size(); ++i) {
    columns.push_back(ColumnOf(grid, i));
    codes += (i == 0 ? "" : " ") + columns.back().code;
  }
  std::string text = "  \\begin{tabular}{" + codes + "}\n    \\toprule\n";
  text += TitleText(grid, columns) + "    \\midrule\n";
  for (const auto& row : grid.rows) text += RowText(row, columns);
  return text + "    \\bottomrule\n  \\end{tabular}\n";
}

std::string CommentLine(const std::string& text) { return "% " + Visible(text) + "\n"; }

class BlockWriter {
 public:
  explicit BlockWriter(std::string* text) : text_(text) {}

  void operator()(const Grid& grid) {
    if (grid.rows.empty()) return;
    End();
    if (!text_->empty()) *text_ += '\n';
    // Version 3.2 puts an aligned uncertainty right behind its number, 1.3± 0.1.
    *text_ +=
        "\\begin{table}\n  \\centering\n"
        "  \\sisetup{separate-uncertainty,table-align-uncertainty=false}\n";
    if (!grid.caption.empty()) *text_ += "  \\caption{" + AsText(grid.caption) + "}\n";
    if (!grid.reference.empty()) *text_ += "  \\label{" + grid.reference + "}\n";
    *text_ += TabularText(grid);
    is_open_ = true;
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
      *text_ += is_open_ ? "  \\par\\smallskip{\\footnotesize " + AsText(line) + "\\par}\n"
                         : CommentLine(line);
    }
  }

  void operator()(const Fields& fields) { (*this)(AsGrid(fields)); }

  void operator()(const Checklist& list) {
    (*this)(AsGrid(list));
    if (!list.summary.empty()) (*this)(Lines{list.summary});
  }

  void End() {
    if (is_open_) *text_ += "\\end{table}\n";
    is_open_ = false;
  }

 private:
  std::string* text_;
  bool is_open_ = false;
};

absl::Status Write(const Document& document, std::ostream& out) {
  std::string text;
  BlockWriter write(&text);
  for (const Block& block : document.blocks()) std::visit(write, block);
  write.End();
  if (text.empty()) return absl::OkStatus();
  out << kNeeds;
  if (document.sources) {
    for (const std::string& line : document.sources()) out << CommentLine(line);
  }
  out << text;
  return absl::OkStatus();
}

}  // namespace

constinit const Format kLatex = {
    "latex",
    "tex",
    {Content::kRuns, Content::kList, Content::kResult, Content::kTable},
    v1::ROW_KIND_CELL,
    Write,
    Advice::kAside,
    /*has_references=*/true};

}  // namespace torchlap::client::format
