#include "storage/sqlite_connection.h"

#include <sqlite3.h>

namespace torchlap::storage {
namespace {

constexpr int kBusyTimeoutMs = 10'000;

// Lists by filter have numbers in their text, so that there are many; the few dozen hot ones come
// back at once.
constexpr size_t kMostPrepared = 200;

}  // namespace

SqliteConnection::SqliteConnection(const std::filesystem::path& file, int flags)
    : SQLite::Database(file.string(), flags | SQLITE_OPEN_NOMUTEX, kBusyTimeoutMs) {}

SqliteConnection::Prepared& SqliteConnection::Prepare(const std::string& sql) {
  if (prepared_.size() > kMostPrepared) {
    std::erase_if(prepared_, [](const auto& entry) { return !entry.second->in_use; });
  }
  std::unique_ptr<Prepared>& prepared = prepared_[sql];
  if (!prepared) prepared.reset(new Prepared{SQLite::Statement(*this, sql)});
  return *prepared;
}

const std::vector<std::string>& SqliteConnection::ColumnNames(const std::string& table) {
  std::vector<std::string>& names = column_names_[table];
  if (names.empty()) {
    Query query(*this, "SELECT name FROM pragma_table_info(?) ORDER BY cid", table);
    while (query.Step()) names.push_back(query.Text(0));
  }
  return names;
}

SqliteConnection::Prepared& Query::Take(SQLite::Database& database, const std::string& sql) {
  SqliteConnection::Prepared& prepared = static_cast<SqliteConnection&>(database).Prepare(sql);
  if (prepared.in_use) throw SQLite::Exception("statement is in use: " + sql, SQLITE_MISUSE);
  prepared.in_use = true;
  return prepared;
}

Query::~Query() {
  prepared_.statement.tryReset();
  prepared_.statement.clearBindings();  // always succeeds; frees what was bound
  prepared_.in_use = false;
}

void Query::Bind(const Blob& value) {
  prepared_.statement.bind(++bound_, value.bytes.data(), static_cast<int>(value.bytes.size()));
}

int Query::Run() {
  while (Step()) {
  }
  return prepared_.statement.getChanges();
}

}  // namespace torchlap::storage
