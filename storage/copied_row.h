// Rows copied from one database to another of the same schema.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {

// A row that another one refers to is not there.
class RowMissing : public std::runtime_error {
 public:
  RowMissing(const std::string& table, int64_t id)
      : std::runtime_error(table + " " + std::to_string(id) + " is missing") {}
};

// monostate: NULL.
using RowValue = std::variant<std::monostate, int64_t, std::string>;
// By column: what differs from the row that is copied.
using RowValues = std::map<std::string, RowValue>;

// Copies the row of `table` whose `key` is `id`. Returns its rowid there. Throws RowMissing where
// it is not, SQLite::Exception else.
int64_t CopyRow(SQLite::Database& from, SQLite::Database& to, const std::string& table,
                const std::string& key, int64_t id, const RowValues& changed);

// The same; nothing happens where it is not there.
void CopyRowIfThere(SQLite::Database& from, SQLite::Database& to, const std::string& table,
                    const std::string& key, int64_t id, const RowValues& changed);

// The id in `to` of the row with the same texts in the columns (joined by commas) as row `id` has
// in `from`. Throws RowMissing.
std::optional<int64_t> RowAlike(SQLite::Database& from, SQLite::Database& to,
                                const std::string& table, const std::string& columns, int64_t id);

}  // namespace torchlap::storage
