// What a query of SQL returns.
#pragma once

#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/history.pb.h"

namespace torchlap::client::format {

// A value of a result for programs: NULL is unknown, bytes are `x'00ff'`, as SQL writes them.
Value ValueOf(const v1::SqlValue& value);

// The rows for people: columns of numbers to the right, numbers with up to 15 significant digits,
// NULL empty.
Grid ResultGrid(const std::vector<std::string>& names, const std::vector<v1::SqlRow>& rows);

// The views that can be asked and their columns (proto/sql_views.h).
Document ListSqlViews();

}  // namespace torchlap::client::format
