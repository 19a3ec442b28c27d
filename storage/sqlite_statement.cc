#include "storage/sqlite_statement.h"

#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>

namespace torchlap::storage {

SqliteStatement::SqliteStatement(SQLite::Database& database, const std::string& sql)
    : connection_(database.getHandle()) {
  Check(sqlite3_prepare_v2(connection_, sql.c_str(), static_cast<int>(sql.size()), &statement_,
                           nullptr));
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

void SqliteStatement::Bind(int parameter, int64_t value) {
  Check(sqlite3_bind_int64(statement_, parameter, value));
}

void SqliteStatement::Bind(int parameter, double value) {
  Check(sqlite3_bind_double(statement_, parameter, value));
}

// By 64 bits of size, so that a value that is too large is refused and not cut.
void SqliteStatement::BindText(int parameter, std::string_view text) {
  Check(sqlite3_bind_text64(statement_, parameter, text.data(), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
}

void SqliteStatement::BindBlob(int parameter, std::string_view bytes) {
  Check(sqlite3_bind_blob64(statement_, parameter, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
}

void SqliteStatement::BindNull(int parameter) { Check(sqlite3_bind_null(statement_, parameter)); }

// SQLite itself would start anew after the last row.
bool SqliteStatement::Step() {
  if (is_done_) return false;
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) throw SQLite::Exception(connection_, result);
  is_done_ = true;
  return false;
}

// What it returns is the error of the step before.
void SqliteStatement::Reset() {
  sqlite3_reset(statement_);
  is_done_ = false;
}

void SqliteStatement::ClearBindings() { sqlite3_clear_bindings(statement_); }

SqliteValue SqliteStatement::Value(int column) const {
  return SqliteValue(sqlite3_column_value(statement_, column));
}

bool SqliteValue::IsNull() const { return sqlite3_value_type(value_) == SQLITE_NULL; }

int64_t SqliteValue::Int() const { return sqlite3_value_int64(value_); }

double SqliteValue::Real() const { return sqlite3_value_double(value_); }

// A blob's bytes are those of the column's, as they are; a number becomes its text first.
std::string_view SqliteValue::Text() const {
  const bool is_blob = sqlite3_value_type(value_) == SQLITE_BLOB;
  const void* bytes = is_blob ? sqlite3_value_blob(value_) : sqlite3_value_text(value_);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<size_t>(sqlite3_value_bytes(value_))};
}

int SqliteStatement::Changes() const { return sqlite3_changes(connection_); }

void SqliteStatement::Check(int result) const {
  if (result != SQLITE_OK) throw SQLite::Exception(connection_, result);
}

}  // namespace torchlap::storage
