// Names of columns as they are typed. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "proto/columns.h"

namespace torchlap::client {

// What --columns says, in its order. Nothing for nothing. INVALID_ARGUMENT: a name that no column
// has.
absl::StatusOr<std::vector<RunColumn>> ParseColumns(const std::optional<std::string>& text);

// What --columns may have.
std::vector<std::string> ColumnNames();

// The column of numbers with this name, which may leave the unit out: `step_median_ms`,
// `step_median`. Null: there is none.
const RunColumn* FindNumberColumn(const std::string& name);

// Of all of them, with their units.
std::vector<std::string> NumberColumnNames();

}  // namespace torchlap::client
