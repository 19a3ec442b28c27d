// One prepared statement of SQLite.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <string>
#include <string_view>

struct sqlite3_stmt;
struct sqlite3_value;

namespace torchlap::storage {

// A value of a row, until the next call of Step or Reset.
class SqliteValue {
 public:
  explicit SqliteValue(sqlite3_value* value) : value_(value) {}

  bool IsNull() const;
  int64_t Int() const;
  double Real() const;
  // Of a text or a blob; NULL reads as "".
  std::string_view Text() const;

 private:
  sqlite3_value* const value_;
};

// SQLiteCpp's own takes a share of the statement for each value that is read, which was a third of
// the time of an export; here a value is one call of SQLite. Parameters and columns count as there:
// from 1, and from 0. Not thread-safe. Throws SQLite::Exception.
class SqliteStatement {
 public:
  SqliteStatement(SQLite::Database& database, const std::string& sql);
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  void Bind(int parameter, int64_t value);
  void Bind(int parameter, double value);
  void BindText(int parameter, std::string_view text);
  void BindBlob(int parameter, std::string_view bytes);
  void BindNull(int parameter);

  // The next row; false: there are no more, however often it is asked.
  bool Step();
  // To its beginning, with its parameters; what went wrong before is forgotten.
  void Reset();
  // Parameters are NULL again; frees what was bound.
  void ClearBindings();

  SqliteValue Value(int column) const;

  // Rows that the newest statement of the connection changed.
  int Changes() const;

 private:
  void Check(int result) const;

  sqlite3* const connection_;
  sqlite3_stmt* statement_ = nullptr;
  bool is_done_ = false;
};

}  // namespace torchlap::storage
