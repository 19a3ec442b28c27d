#include "client/format/document.h"

#include <memory>

namespace torchlap::client::format {

Grid AsGrid(const Fields& fields) {
  Grid grid{fields.heading, {"name", "value"}, {}};
  for (const auto& [name, value] : fields.values) grid.rows.push_back({name, value});
  return grid;
}

Grid AsGrid(const Checklist& list) {
  Grid grid;
  grid.titles = {"severity", "device", "finding", "do"};
  for (const auto& item : list.items) {
    grid.rows.push_back(
        {item.severity, item.subject, item.finding, item.remedy.empty() ? "-" : item.remedy});
  }
  return grid;
}

Rows RowsOf(Sheet sheet) {
  const auto kept = std::make_shared<const Sheet>(std::move(sheet));
  Rows rows;
  rows.names = kept->names;
  rows.each = [kept](const Rows::Take& take) {
    for (const auto& row : kept->rows) {
      if (!take(row)) break;
    }
    return absl::OkStatus();
  };
  return rows;
}

Rows RunRows(std::vector<v1::Run> runs, std::vector<RunColumn> columns) {
  Rows rows;
  for (const RunColumn& column : columns) rows.names.push_back(column.shown_name);
  const auto kept = std::make_shared<const std::vector<v1::Run>>(std::move(runs));
  rows.each = [kept, columns = std::move(columns)](const Rows::Take& take) {
    RunValues values(columns);
    for (const v1::Run& run : *kept) {
      if (!take(values.Of(run))) break;
    }
    return absl::OkStatus();
  };
  return rows;
}

}  // namespace torchlap::client::format
