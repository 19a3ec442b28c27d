#include "client/format/sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "client/format/words.h"
#include "proto/base/visible_text.h"
#include "proto/sql_views.h"

namespace torchlap::client::format {
namespace {

std::string Hex(const std::string& bytes) {
  std::string text = "x'";
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text + "'";
}

// For people; without an exponent where its whole part is no longer than a time in nanoseconds.
std::string RealText(double number) {
  constexpr double kSixDigits = 1e6;
  constexpr double kLong = 1e19;
  const double size = std::abs(number);
  return size >= kSixDigits && size < kLong ? fmt::format("{:.0f}", number)
                                            : fmt::format("{:.6g}", number);
}

// As SQLite's own shell writes them, but for numbers that are not whole.
std::string CellOf(const v1::SqlValue& value) {
  switch (value.value_case()) {
    case v1::SqlValue::kInteger:
      return fmt::format("{}", value.integer());
    case v1::SqlValue::kReal:
      return RealText(value.real());
    case v1::SqlValue::kText:
      return value.text();
    case v1::SqlValue::kBlob:
      return Hex(value.blob());
    default:
      return "";
  }
}

bool IsNumberOrNull(const v1::SqlValue& value) {
  return value.value_case() != v1::SqlValue::kText && value.value_case() != v1::SqlValue::kBlob;
}

void AlignRight(size_t column, Grid* grid) {
  size_t width = DisplayWidth(Visible(grid->titles[column]));
  for (const auto& row : grid->rows) width = std::max(width, row[column].size());
  for (auto& row : grid->rows) row[column].insert(0, width - row[column].size(), ' ');
}

}  // namespace

Value ValueOf(const v1::SqlValue& value) {
  switch (value.value_case()) {
    case v1::SqlValue::kInteger:
      return int64_t{value.integer()};
    case v1::SqlValue::kReal:
      return value.real();
    case v1::SqlValue::kText:
      return value.text();
    case v1::SqlValue::kBlob:
      return Hex(value.blob());
    default:
      return std::monostate();
  }
}

Grid ResultGrid(const std::vector<std::string>& names, const std::vector<v1::SqlRow>& rows) {
  Grid grid;
  grid.titles = names;
  std::vector<bool> has_numbers(names.size(), true);
  for (const v1::SqlRow& row : rows) {
    std::vector<std::string>& cells = grid.rows.emplace_back(names.size());
    const size_t values = std::min(names.size(), static_cast<size_t>(row.values_size()));
    for (size_t i = 0; i < values; ++i) {
      const v1::SqlValue& value = row.values(static_cast<int>(i));
      has_numbers[i] = has_numbers[i] && IsNumberOrNull(value);
      cells[i] = CellOf(value);
    }
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (has_numbers[i]) AlignRight(i, &grid);
  }
  return grid;
}

Document ListSqlViews() {
  Document document;
  document.blocks = [] {
    std::vector<Block> blocks;
    for (const SqlView& view : SqlViews()) {
      Grid grid{fmt::format("{}: {}", view.name, view.meaning), {"column", "meaning"}, {}};
      for (const SqlColumn& column : view.columns) {
        grid.rows.push_back({column.name, column.meaning});
      }
      blocks.emplace_back(std::move(grid));
    }
    return blocks;
  };
  Sheet sheet;
  sheet.names = {"view", "column", "meaning"};
  for (const SqlView& view : SqlViews()) {
    for (const SqlColumn& column : view.columns) {
      sheet.rows.push_back({view.name, column.name, column.meaning});
    }
  }
  document.rows = RowsOf(std::move(sheet));
  return document;
}

}  // namespace torchlap::client::format
