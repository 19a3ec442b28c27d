// One SQLite connection with the statements that it has prepared, and a statement in use.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace torchlap::storage {

// Bytes to be bound or read as a BLOB.
struct Blob {
  std::string bytes;
};

// Every SQLite::Database that Database::Write and Database::Read hand out is a SqliteConnection.
// Not thread-safe.
class SqliteConnection : public SQLite::Database {
 public:
  SqliteConnection(const std::filesystem::path& file, int flags);

  // Names of the columns of a table or view, in order.
  const std::vector<std::string>& ColumnNames(const std::string& table);

 private:
  friend class Query;
  struct Prepared {
    SQLite::Statement statement;
    bool in_use = false;
  };
  Prepared& Prepare(const std::string& sql);

  std::unordered_map<std::string, std::unique_ptr<Prepared>> prepared_;
  std::unordered_map<std::string, std::vector<std::string>> column_names_;
};

// A prepared statement with its parameters bound; reset when it goes out of scope, so that no
// cursor stays open. The same text must not be in use twice at a time. Throws SQLite::Exception.
class Query {
 public:
  template <typename... Values>
  Query(SQLite::Database& database, const std::string& sql, const Values&... values)
      : prepared_(Take(database, sql)) {
    (Bind(values), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Binds the next parameter. Absent values and empty optionals are NULL.
  template <typename Integer>
  requires(std::is_integral_v<Integer> || std::is_enum_v<Integer>) void Bind(Integer value) {
    prepared_.statement.bind(++bound_, static_cast<int64_t>(value));
  }
  void Bind(double value) { prepared_.statement.bind(++bound_, value); }
  void Bind(const std::string& value) { prepared_.statement.bind(++bound_, value); }
  void Bind(const char* value) { prepared_.statement.bind(++bound_, value); }
  void Bind(const Blob& value);
  void Bind(std::nullopt_t) { prepared_.statement.bind(++bound_); }
  template <typename T>
  void Bind(const std::optional<T>& value) {
    if (value) {
      Bind(*value);
    } else {
      Bind(std::nullopt);
    }
  }

  // The next row; false: there are no more.
  bool Step() { return prepared_.statement.executeStep(); }
  // Runs it to its end. Returns how many rows were changed.
  int Run();

  bool IsNull(int column) const { return prepared_.statement.isColumnNull(column); }
  int64_t Int(int column) const { return prepared_.statement.getColumn(column).getInt64(); }
  uint64_t Uint(int column) const { return static_cast<uint64_t>(Int(column)); }
  double Real(int column) const { return prepared_.statement.getColumn(column).getDouble(); }
  // NULL reads as "".
  std::string Text(int column) const { return prepared_.statement.getColumn(column).getString(); }

 private:
  static SqliteConnection::Prepared& Take(SQLite::Database& database, const std::string& sql);

  SqliteConnection::Prepared& prepared_;
  int bound_ = 0;
};

// The value of the first column of the first row; nothing if there is no row or it is NULL.
template <typename... Values>
std::optional<int64_t> SelectInt(SQLite::Database& database, const std::string& sql,
                                 const Values&... values) {
  Query query(database, sql, values...);
  if (!query.Step() || query.IsNull(0)) return std::nullopt;
  return query.Int(0);
}

// Rows changed.
template <typename... Values>
int Execute(SQLite::Database& database, const std::string& sql, const Values&... values) {
  return Query(database, sql, values...).Run();
}

}  // namespace torchlap::storage
