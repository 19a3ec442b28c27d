#include "client/format/aligned.h"

#include <algorithm>

#include "client/format/words.h"

namespace torchlap::client::format {
namespace {

std::vector<size_t> Widths(const Grid& grid) {
  std::vector<size_t> widths;
  for (const std::string& title : grid.titles) widths.push_back(DisplayWidth(title));
  for (const auto& row : grid.rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  return widths;
}

void WriteRow(const std::vector<std::string>& cells, const std::vector<size_t>& widths,
              std::ostream& out) {
  for (size_t i = 0; i < cells.size(); ++i) {
    out << "| " << cells[i] << std::string(widths[i] - DisplayWidth(cells[i]) + 1, ' ');
  }
  out << "|\n";
}

}  // namespace

Grid Escaped(Grid grid, std::string (*escape)(std::string_view)) {
  grid.caption = escape(grid.caption);
  for (std::string& title : grid.titles) title = escape(title);
  for (auto& row : grid.rows) {
    for (std::string& cell : row) cell = escape(cell);
  }
  return grid;
}

void WriteAligned(const Grid& grid, std::ostream& out) {
  const std::vector<size_t> widths = Widths(grid);
  WriteRow(grid.titles, widths, out);
  for (const size_t width : widths) out << '|' << std::string(width + 2, '-');
  out << "|\n";
  for (const auto& row : grid.rows) WriteRow(row, widths, out);
}

}  // namespace torchlap::client::format
