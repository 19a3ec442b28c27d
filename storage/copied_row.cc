#include "storage/copied_row.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <vector>

namespace torchlap::storage {
namespace {

// NULL for the values that are given anew: they are bound.
std::string SelectSql(const std::string& table, const std::string& key,
                      const std::vector<std::string>& columns) {
  std::vector<std::string> kinds;
  kinds.reserve(columns.size());
  for (const std::string& column : columns) kinds.push_back(absl::StrCat("typeof(", column, ")"));
  return absl::StrCat("SELECT ", absl::StrJoin(columns, ", "), ", ", absl::StrJoin(kinds, ", "),
                      " FROM ", table, " WHERE ", key, " = ?");
}

std::string InsertSql(const std::string& table, const std::vector<std::string>& columns) {
  return absl::StrCat("INSERT INTO ", table, " (", absl::StrJoin(columns, ", "), ") VALUES (",
                      absl::StrJoin(std::vector<std::string>(columns.size(), "?"), ", "), ")");
}

void BindSame(const Query& row, int column, std::string_view kind, Query* insert) {
  if (kind == "integer") {
    insert->Bind(row.Int(column));
  } else if (kind == "real") {
    insert->Bind(row.Real(column));
  } else if (kind == "text") {
    insert->Bind(row.Text(column));
  } else if (kind == "blob") {
    insert->Bind(Blob{row.Text(column)});
  } else {
    insert->Bind(std::nullopt);
  }
}

void BindGiven(const RowValue& value, Query* insert) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    insert->Bind(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    insert->Bind(*text);
  } else {
    insert->Bind(std::nullopt);
  }
}

const std::vector<std::string>& ColumnsOf(SQLite::Database& database, const std::string& table) {
  return static_cast<SqliteConnection&>(database).ColumnNames(table);
}

// False: it is not there.
bool Copy(SQLite::Database& from, SQLite::Database& to, const std::string& table,
          const std::string& key, int64_t id, const RowValues& changed) {
  // Those that are ours: names that stand in a file are no SQL.
  const std::vector<std::string>& columns = ColumnsOf(to, table);
  Query row(from, SelectSql(table, key, columns), id);
  if (!row.Step()) return false;
  Query insert(to, InsertSql(table, columns));
  const int count = static_cast<int>(columns.size());
  for (int i = 0; i < count; ++i) {
    const auto given = changed.find(columns[static_cast<size_t>(i)]);
    if (given != changed.end()) {
      BindGiven(given->second, &insert);
    } else {
      BindSame(row, i, row.TextView(count + i), &insert);
    }
  }
  insert.Run();
  return true;
}

}  // namespace

int64_t CopyRow(SQLite::Database& from, SQLite::Database& to, const std::string& table,
                const std::string& key, int64_t id, const RowValues& changed) {
  if (!Copy(from, to, table, key, id, changed)) throw RowMissing(table, id);
  return to.getLastInsertRowid();
}

void CopyRowIfThere(SQLite::Database& from, SQLite::Database& to, const std::string& table,
                    const std::string& key, int64_t id, const RowValues& changed) {
  Copy(from, to, table, key, id, changed);
}

std::optional<int64_t> RowAlike(SQLite::Database& from, SQLite::Database& to,
                                const std::string& table, const std::string& columns, int64_t id) {
  Query row(from, absl::StrCat("SELECT ", columns, " FROM ", table, " WHERE id = ?"), id);
  if (!row.Step()) throw RowMissing(table, id);
  std::vector<std::string> equal;
  for (const auto column : absl::StrSplit(columns, ',')) {
    equal.push_back(absl::StrCat(column, " IS ?"));
  }
  Query same(to, absl::StrCat("SELECT id FROM ", table, " WHERE ", absl::StrJoin(equal, " AND ")));
  for (int i = 0; i < static_cast<int>(equal.size()); ++i) {
    if (row.IsNull(i)) {
      same.Bind(std::nullopt);
    } else {
      same.Bind(row.Text(i));
    }
  }
  if (!same.Step()) return std::nullopt;
  return same.Int(0);
}

}  // namespace torchlap::storage
