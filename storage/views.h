// The views: `run_row`, which the program reads, and `runs`, `phases` and `sweeps` for people (what
// these have is listed in proto/sql_views.h). They are made
// from the contract's columns (proto/columns.h), not by migrations, so that a new column, or a new
// word of an enum, needs no view to be written.
#pragma once

#include <string>
#include <vector>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {

struct View {
  std::string name;
  std::string sql;  // as SQLite keeps it
};

// For the tables of `database`; each view reads only those before it. Throws SQLite::Exception,
// naming the column, if a column of the contract is in no table.
std::vector<View> MakeViews(SqliteConnection& database);

// Makes the views anew, all in one transaction, if one of them is not as MakeViews says. Writes
// nothing otherwise. Throws SQLite::Exception.
void RenewViews(SqliteConnection& database);

}  // namespace torchlap::storage
