// One query that a user wrote, on a connection of its own that can read the views of
// proto/sql_views.h and nothing else.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "proto/base/clock.h"
#include "torchlap/v1/history.pb.h"

namespace torchlap::storage {

struct SqlLimits {
  uint64_t max_rows = 100'000;
  // Of the whole query. A reader pins the WAL: it grows meanwhile, and no longer than this.
  int64_t time_ns = 10'000'000'000;
  // That the process may grow by, as SQLite counts it.
  int64_t memory_bytes = int64_t{256} << 20;
};

// Runs `sql`, one SELECT, VALUES, WITH or EXPLAIN QUERY PLAN, in one read transaction, and hands
// its rows to `take` in messages of some 200 rows or 256 KiB: the first has the columns' names,
// also where there are no rows, the last says whether there are more rows than max_rows. What
// `take` does counts as time of the query: it must not wait for a reader. When it returns false the
// query ends, with OK.
//
// INVALID_ARGUMENT, with SQLite's words and the place: it is no such statement, or more than one;
// it reads anything but the views (also through a table expression that is named like one), writes,
// attaches, sets or begins something, calls a function that reaches out of the query, has
// parameters; a value is larger than 1 MiB, a row than 8 MiB, the text than 64 KiB, or it has more
// than 1000 calls of functions. DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED: the time or the memory is
// over. The time is looked at every 1000 operations of SQLite's machine, and where a function is
// called that may take long; what is one operation works on values of 1 MiB at most, in time that
// does not grow with the product of two of them (storage/sql_functions.h, which says what LIKE
// refuses). DATA_LOSS and others as Database::Read. Text that is not UTF-8 comes as a blob. Sorts
// stay in that memory: in files they would take some GB a second of a disk that is everybody's.
// Thread-safe.
absl::Status RunSql(const std::filesystem::path& file, const std::string& sql,
                    const SqlLimits& limits, const Clock& clock,
                    const std::function<bool(v1::QuerySqlResponse)>& take);

}  // namespace torchlap::storage
