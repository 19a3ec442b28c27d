#include "storage/sqlite_connection.h"

#include <sqlite3.h>

#include <utility>

namespace torchlap::storage {
namespace {

constexpr int kBusyTimeoutMs = 10'000;

// The program has some hundred texts. Were there ever more, the idle ones go, and the hot ones come
// back at once.
constexpr size_t kMostPrepared = 200;

}  // namespace

SqliteConnection::SqliteConnection(const std::filesystem::path& file, int flags)
    : SQLite::Database(file.string(), flags | SQLITE_OPEN_NOMUTEX, kBusyTimeoutMs) {}

// What can fail comes before what is kept.
std::shared_ptr<SqliteConnection::Prepared> SqliteConnection::Prepare(const std::string& sql) {
  if (const auto kept = prepared_.find(sql); kept != prepared_.end()) return kept->second;
  std::shared_ptr<Prepared> made(new Prepared(*this, sql));
  if (prepared_.size() >= kMostPrepared) {
    std::erase_if(prepared_, [](const auto& entry) { return !entry.second->in_use; });
  }
  prepared_.emplace(sql, made);
  return made;
}

const std::vector<std::string>& SqliteConnection::ColumnNames(const std::string& table) {
  if (const auto known = column_names_.find(table); known != column_names_.end()) {
    return known->second;
  }
  std::vector<std::string> names;
  Query query(*this, "SELECT name FROM pragma_table_info(?) ORDER BY cid", table);
  while (query.Step()) names.push_back(query.Text(0));
  // A table that is not there yet may come.
  static const std::vector<std::string> none;
  if (names.empty()) return none;
  return column_names_.emplace(table, std::move(names)).first->second;
}

std::shared_ptr<SqliteConnection::Prepared> Query::Take(SQLite::Database& database,
                                                        const std::string& sql) {
  std::shared_ptr<SqliteConnection::Prepared> prepared =
      static_cast<SqliteConnection&>(database).Prepare(sql);
  if (prepared->in_use) throw SQLite::Exception("statement is in use: " + sql, SQLITE_MISUSE);
  return prepared;
}

std::shared_ptr<SqliteConnection::Prepared> Query::Take(SQLite::Database& database,
                                                        const Once& text) {
  return std::shared_ptr<SqliteConnection::Prepared>(
      new SqliteConnection::Prepared(database, text.sql));
}

Query::Lease::Lease(std::shared_ptr<SqliteConnection::Prepared> prepared)
    : prepared_(std::move(prepared)) {
  prepared_->in_use = true;
}

Query::Lease::~Lease() {
  statement().Reset();
  statement().ClearBindings();
  prepared_->in_use = false;
}

int Query::Run() {
  while (Step()) {
  }
  return statement().Changes();
}

}  // namespace torchlap::storage
