#include "client/format/grid.h"

namespace torchlap::client::format {
namespace {

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

void WriteMarkdown(const Grid& grid, std::ostream& out) {
  if (grid.rows.empty()) return;
  if (!grid.caption.empty()) out << grid.caption << "\n\n";
  Grid escaped{"", grid.titles, grid.rows};
  for (auto& row : escaped.rows) {
    for (std::string& cell : row) cell = Escaped(cell);
  }
  WriteTable(escaped, out);
}

}  // namespace torchlap::client::format
