// The views: `run_row`, which the program reads, and those for people, which proto/sql_views.h
// lists. They are made from the contract's columns (proto/columns.h), not by migrations, so that a
// new column, or a new word of an enum, needs no view to be written. `daily_means` reads by an
// index of its own, `run_by_day`, which is made with it.
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

// Makes the views anew, all in one transaction, if one of them or the index is not as the program
// says. Writes nothing otherwise. The first time, with a million runs, it takes some seconds: the
// index is made, and where runs were declared invalid `run_rollup` is counted anew without them.
// Throws SQLite::Exception.
void RenewViews(SqliteConnection& database);

}  // namespace torchlap::storage
