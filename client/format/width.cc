#include "client/format/width.h"

#include <algorithm>
#include <utility>

#include "client/format/aligned.h"
#include "client/format/words.h"
#include "proto/base/visible_text.h"

namespace torchlap::client::format {
namespace {

constexpr char kEllipsis[] = "…";

size_t ColumnOf(const std::string& title, const Grid& grid) {
  const auto place = std::find(grid.titles.begin(), grid.titles.end(), title);
  return static_cast<size_t>(place - grid.titles.begin());
}

bool Has(const Grid& grid, const std::string& title) {
  return ColumnOf(title, grid) < grid.titles.size();
}

void Remove(size_t column, Grid* grid) {
  const auto at = static_cast<std::ptrdiff_t>(column);
  grid->titles.erase(grid->titles.begin() + at);
  for (auto& row : grid->rows) row.erase(row.begin() + at);
}

size_t WidthOf(size_t column, const Grid& grid) {
  size_t width = DisplayWidth(grid.titles[column]);
  for (const auto& row : grid.rows) width = std::max(width, DisplayWidth(row[column]));
  return width;
}

bool Contains(const std::vector<std::string>& titles, const std::string& title) {
  return std::find(titles.begin(), titles.end(), title) != titles.end();
}

// Of a line, bars and blanks included.
size_t LineWidth(const Grid& grid) {
  size_t width = 1;
  for (size_t i = 0; i < grid.titles.size(); ++i) width += WidthOf(i, grid) + 3;
  return width;
}

// What a column adds to a line where it is as short as it may get.
size_t LeastRoom(const Narrowing& how, const std::string& title, const Grid& grid) {
  const size_t width = WidthOf(ColumnOf(title, grid), grid);
  return (Contains(how.shorten, title) ? std::min(width, how.shortest) : width) + 3;
}

// Titles that may be dropped and must be; the others are kept as far as there is room, the last
// of how.drop first.
std::vector<std::string> TooMany(const Narrowing& how, const Grid& grid) {
  size_t width = 1;
  for (const std::string& title : grid.titles) {
    if (!Contains(how.drop, title)) width += LeastRoom(how, title, grid);
  }
  std::vector<std::string> gone;
  for (auto title = how.drop.rbegin(); title != how.drop.rend(); ++title) {
    if (!Has(grid, *title)) continue;
    const size_t room = LeastRoom(how, *title, grid);
    if (width + room <= how.width) {
      width += room;
    } else {
      gone.insert(gone.begin(), *title);
    }
  }
  return gone;
}

bool IsInsideACharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::string Shortened(const std::string& text, size_t width) {
  if (DisplayWidth(text) <= width) return text;
  size_t end = 0;
  for (size_t characters = 0; characters + 1 < width; ++characters) {
    ++end;
    while (end < text.size() && IsInsideACharacter(text[end])) ++end;
  }
  return text.substr(0, end) + kEllipsis;
}

bool IsConstant(size_t column, const Grid& grid) {
  return std::all_of(grid.rows.begin(), grid.rows.end(),
                     [&](const auto& row) { return row[column] == grid.rows.front()[column]; });
}

// By as much as is too much, or as far as it goes.
void Shorten(const Narrowing& how, size_t column, Grid* grid) {
  const size_t line = LineWidth(*grid);
  const size_t width = WidthOf(column, *grid);
  if (line <= how.width || width <= how.shortest) return;
  const size_t wanted = width - std::min(line - how.width, width - how.shortest);
  for (auto& row : grid->rows) row[column] = Shortened(row[column], wanted);
}

}  // namespace

std::vector<std::string> TakeConstants(const Narrowing& how, Grid* grid) {
  std::vector<std::string> said;
  if (grid->rows.empty()) return said;
  for (size_t i = 0; i < grid->titles.size();) {
    const std::string title = grid->titles[i];
    if (!Contains(how.above, title) || !IsConstant(i, *grid)) {
      ++i;
      continue;
    }
    const std::string& value = grid->rows.front()[i];
    if (!value.empty() && value != "-") said.push_back(title + " " + value);
    Remove(i, grid);
  }
  return said;
}

std::vector<std::string> Narrow(const Narrowing& how, Grid* grid) {
  // As wide as it will be shown.
  *grid = Escaped(std::move(*grid), Visible);
  const std::vector<std::string> gone = TooMany(how, *grid);
  for (const std::string& title : gone) Remove(ColumnOf(title, *grid), grid);
  for (const std::string& title : how.shorten) {
    if (Has(*grid, title)) Shorten(how, ColumnOf(title, *grid), grid);
  }
  return gone;
}

Lines Wrapped(const std::string& before, const std::vector<std::string>& parts, size_t width) {
  Lines lines;
  std::string line = before;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string part = parts[i] + (i + 1 < parts.size() ? "," : "");
    const bool fits = line.empty() || DisplayWidth(line) + 1 + DisplayWidth(part) <= width;
    if (!fits) lines.push_back(std::exchange(line, ""));
    line += (line.empty() ? "" : " ") + part;
  }
  if (!parts.empty()) lines.push_back(line);
  return lines;
}

}  // namespace torchlap::client::format
