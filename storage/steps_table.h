// `steps`, a table that a connection can be given: a row for each step of finished runs, read from
// their sample blocks. Its columns are those of proto/sql_views.h.
#pragma once

#include "storage/sqlite_connection.h"

namespace torchlap::storage {

// How many reads of the table are made by `steps` itself at this moment: what it reads there is not
// what a query asked for, so that an authorizer lets it pass.
struct OwnReads {
  int depth = 0;
};

// The table is there until the connection ends; `own_reads` outlives that. It reads the samples of
// one run where a query says `run_id = ...`, of all runs otherwise, one block at a time. A block
// that cannot be read ends the query with SQLITE_CORRUPT_VTAB and the run's name. Throws
// SQLite::Exception.
void AddStepsTable(SqliteConnection* connection, OwnReads* own_reads);

}  // namespace torchlap::storage
