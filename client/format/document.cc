#include "client/format/document.h"

#include <memory>

namespace torchlap::client::format {

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
