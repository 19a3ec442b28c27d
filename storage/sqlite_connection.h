// One SQLite connection with the statements that it keeps prepared, and a statement in use.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "storage/sqlite_statement.h"

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

  // Names of the columns of a table or view, in order. Throws SQLite::Exception.
  const std::vector<std::string>& ColumnNames(const std::string& table);

 private:
  friend class Query;
  struct Prepared {
    Prepared(SQLite::Database& database, const std::string& sql) : statement(database, sql) {}
    SqliteStatement statement;
    bool in_use = false;
  };
  // The kept statement of this text, made if it is not there. A text that cannot be prepared leaves
  // nothing behind.
  std::shared_ptr<Prepared> Prepare(const std::string& sql);

  std::unordered_map<std::string, std::shared_ptr<Prepared>> prepared_;
  std::unordered_map<std::string, std::vector<std::string>> column_names_;
};

// A text that a filter makes: prepared for one use, not kept, as it may not come again.
struct Once {
  std::string sql;
};

// A prepared statement with its parameters bound; given back when it goes out of scope, so that no
// cursor stays open, also where binding or a step throws. A kept text (all but Once) must not be in
// use twice at a time. Throws SQLite::Exception.
class Query {
 public:
  template <typename... Values>
  Query(SQLite::Database& database, const std::string& sql, const Values&... values)
      : lease_(Take(database, sql)) {
    (Bind(values), ...);
  }
  template <typename... Values>
  Query(SQLite::Database& database, const Once& text, const Values&... values)
      : lease_(Take(database, text)) {
    (Bind(values), ...);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Binds the next parameter. Absent values and empty optionals are NULL.
  template <typename Integer>
  requires(std::is_integral_v<Integer> || std::is_enum_v<Integer>) void Bind(Integer value) {
    statement().Bind(++bound_, static_cast<int64_t>(value));
  }
  void Bind(double value) { statement().Bind(++bound_, value); }
  void Bind(const std::string& value) { statement().BindText(++bound_, value); }
  void Bind(const char* value) { statement().BindText(++bound_, value); }
  void Bind(const Blob& value) { statement().BindBlob(++bound_, value.bytes); }
  void Bind(std::nullopt_t) { statement().BindNull(++bound_); }
  template <typename T>
  void Bind(const std::optional<T>& value) {
    if (value) {
      Bind(*value);
    } else {
      Bind(std::nullopt);
    }
  }

  // The next row; false: there are no more.
  bool Step() { return statement().Step(); }
  // The same text once more, with other parameters.
  template <typename... Values>
  void Restart(const Values&... values) {
    statement().Reset();
    bound_ = 0;
    (Bind(values), ...);
  }
  // Runs it to its end. Returns how many rows were changed.
  int Run();

  SqliteValue Value(int column) const { return statement().Value(column); }
  bool IsNull(int column) const { return Value(column).IsNull(); }
  int64_t Int(int column) const { return Value(column).Int(); }
  uint64_t Uint(int column) const { return static_cast<uint64_t>(Int(column)); }
  double Real(int column) const { return Value(column).Real(); }
  // NULL reads as "".
  std::string Text(int column) const { return std::string(TextView(column)); }
  // Until the next step.
  std::string_view TextView(int column) const { return Value(column).Text(); }

 private:
  // Marks a statement as in use, and resets it at its end. A member of its own: ~Query does not run
  // when the constructor of Query throws.
  class Lease {
   public:
    explicit Lease(std::shared_ptr<SqliteConnection::Prepared> prepared);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    SqliteStatement& statement() const { return prepared_->statement; }

   private:
    const std::shared_ptr<SqliteConnection::Prepared> prepared_;
  };
  static std::shared_ptr<SqliteConnection::Prepared> Take(SQLite::Database& database,
                                                          const std::string& sql);
  static std::shared_ptr<SqliteConnection::Prepared> Take(SQLite::Database& database,
                                                          const Once& text);
  SqliteStatement& statement() const { return lease_.statement(); }

  const Lease lease_;
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

// The same of a statement that always has a value: count(*), RETURNING of one row.
template <typename... Values>
int64_t SelectOne(SQLite::Database& database, const std::string& sql, const Values&... values) {
  const std::optional<int64_t> value = SelectInt(database, sql, values...);
  if (!value) throw SQLite::Exception("no value for " + sql);
  return *value;
}

// Rows changed.
template <typename... Values>
int Execute(SQLite::Database& database, const std::string& sql, const Values&... values) {
  return Query(database, sql, values...).Run();
}

}  // namespace torchlap::storage
