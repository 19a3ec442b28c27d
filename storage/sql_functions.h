// SQLite's functions on texts whose time grows with the product of their arguments' lengths, made
// anew so that it does not: SQLite looks at no deadline within one of them, nor between two of the
// same row. trim of two texts of 1 MiB takes half an hour.
#pragma once

#include <functional>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {

// `instr`, `replace`, `trim`, `ltrim` and `rtrim` with two arguments, `like` (the operator, too)
// and `glob`, on this connection. They answer as SQLite's do, but: LIKE and GLOB fail where the
// pattern's and the text's bytes multiply to more than 16 Mi, or the pattern has more than 1000;
// ESCAPE is one ASCII character other than % and _; NULL beside anything is NULL. Each first asks
// `may_go_on`, which outlives the connection, and fails where it says no. Throws SQLite::Exception.
void AddBoundedFunctions(SqliteConnection* connection, const std::function<bool()>* may_go_on);

}  // namespace torchlap::storage
