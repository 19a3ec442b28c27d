#include "storage/sql_query.h"

#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Transaction.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/sql_views.h"
#include "storage/sql_functions.h"
#include "storage/sql_text.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_memory.h"
#include "storage/sqlite_status.h"
#include "storage/steps_table.h"

namespace torchlap::storage {
namespace {

constexpr int kRowsInAMessage = 200;
constexpr size_t kBytesInAMessage = 256 * 1024;
constexpr size_t kMostBytesOfARow = size_t{8} << 20;
constexpr int kMostBytesOfAValue = 1 << 20;
constexpr int kMostBytesOfSql = 64 * 1024;
constexpr int kMostFunctions = 1000;
constexpr int kOperationsBetweenLooks = 1000;

struct Limit {
  int what;
  int most;
};
constexpr std::array<Limit, 10> kLimits = {{
    {SQLITE_LIMIT_LENGTH, kMostBytesOfAValue},
    {SQLITE_LIMIT_SQL_LENGTH, kMostBytesOfSql},
    {SQLITE_LIMIT_COLUMN, 1000},
    {SQLITE_LIMIT_EXPR_DEPTH, 1000},
    {SQLITE_LIMIT_COMPOUND_SELECT, 100},
    {SQLITE_LIMIT_VDBE_OP, 250'000},
    {SQLITE_LIMIT_ATTACHED, 0},
    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
    {SQLITE_LIMIT_WORKER_THREADS, 0},
}};

// What else may be read by name: tables that are made of their argument alone.
constexpr std::array<std::string_view, 2> kFunctionTables = {"json_each", "json_tree"};

// They reach files, memory or SQLite itself; json_patch takes minutes for two objects of 1 MiB.
constexpr std::array<std::string_view, 10> kForbiddenFunctions = {
    "load_extension", "readfile",  "writefile", "edit",       "fts3_tokenizer",
    "snippet",        "matchinfo", "optimize",  "json_patch", "jsonb_patch"};
constexpr std::array<std::string_view, 4> kForbiddenPrefixes = {"fts", "rtree", "geopoly",
                                                                "sqlite_"};

std::vector<std::string> ViewNames() {
  std::vector<std::string> names;
  for (const SqlView& view : SqlViews()) names.push_back(view.name);
  return names;
}

// Whose reads of base tables are right: the views of the file, and the one that they read.
const std::vector<std::string>& ReadingViews() {
  static const std::vector<std::string> names = {"run_row", "runs",  "phases",
                                                 "sweeps",  "means", "daily_means"};
  return names;
}

template <typename List>
bool Has(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::string MayRead() {
  return absl::StrCat("may read the views ", absl::StrJoin(ViewNames(), ", "),
                      " (torchlap sql --schema)");
}

bool IsForbiddenFunction(const std::string& name) {
  return Has(kForbiddenFunctions, name) ||
         std::any_of(kForbiddenPrefixes.begin(), kForbiddenPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// Says what a statement may do, while it is prepared; keeps the first thing that it may not.
class Authorizer {
 public:
  // `schema`: the names of the file's tables and views, in small letters.
  void Know(std::set<std::string> schema) { schema_ = std::move(schema); }
  OwnReads* own_reads() { return &own_reads_; }
  const std::string& refusal() const { return refusal_; }

  // For sqlite3_set_authorizer; `self` is an Authorizer.
  static int Ask(void* self, int action, const char* first, const char* second,
                 const char* /*database*/, const char* view) {
    const auto text = [](const char* given) { return std::string(given == nullptr ? "" : given); };
    return static_cast<Authorizer*>(self)->May(action, text(first), text(second), text(view))
               ? SQLITE_OK
               : SQLITE_DENY;
  }

 private:
  bool May(int action, const std::string& first, const std::string& second,
           const std::string& view) {
    switch (action) {
      case SQLITE_SELECT:
      case SQLITE_RECURSIVE:
        return true;
      case SQLITE_READ:
        return MayRead(absl::AsciiStrToLower(first), second, absl::AsciiStrToLower(view));
      case SQLITE_FUNCTION:
        return MayCall(absl::AsciiStrToLower(second));
      default:
        return Refuse("the query does more than read; it must be one SELECT, WITH or VALUES");
    }
  }

  bool MayRead(const std::string& table, const std::string& column, const std::string& view) {
    if (own_reads_.depth > 0) return true;
    static const std::vector<std::string> views = ViewNames();
    if (Has(views, table) || Has(kFunctionTables, table)) return true;
    if (Has(ReadingViews(), view)) {
      tables_of_views_.insert(table);
      reads_view_ = reads_view_ || Has(views, view);
      return true;
    }
    if (column.empty() && MayCount(table)) return true;
    return Refuse(absl::StrCat("the query reads ", table, ", ", storage::MayRead()));
  }

  // Without a column SQLite asks for a table of which no value is used: a table expression of the
  // query (`SELECT count(*) FROM n`), or one of a view's, which it has made a part of the query by
  // then, so that it names no view. Either tells no more than how many rows there are.
  bool MayCount(const std::string& table) const {
    if (reads_view_ && tables_of_views_.contains(table)) return true;
    return !schema_.contains(table) && !table.starts_with("sqlite_");
  }

  bool MayCall(const std::string& function) {
    if (IsForbiddenFunction(function)) {
      return Refuse(absl::StrCat("the query calls ", function, ", which is not for queries"));
    }
    // Each may keep a value of the largest size.
    if (++functions_ <= kMostFunctions) return true;
    return Refuse(absl::StrCat("the query calls functions more than ", kMostFunctions, " times"));
  }

  bool Refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
    return false;
  }

  OwnReads own_reads_;
  std::set<std::string> schema_;
  bool reads_view_ = false;
  std::set<std::string> tables_of_views_;  // that were asked for as a view's
  int functions_ = 0;
  std::string refusal_;
};

// Ends a query that takes too long.
class Watch {
 public:
  Watch(const SqlLimits& limits, const Clock& clock)
      : time_ns_(limits.time_ns), clock_(clock), deadline_ns_(clock.MonotonicNs() + time_ns_) {}

  // For sqlite3_progress_handler; `self` is a Watch. Not 0: the query is to end.
  static int Ask(void* self) { return static_cast<Watch*>(self)->Look().ok() ? 0 : 1; }

  // Of the last look.
  const absl::Status& status() const { return status_; }

  const absl::Status& Look() {
    if (status_.ok() && clock_.MonotonicNs() >= deadline_ns_) {
      status_ = absl::DeadlineExceededError(
          absl::StrCat("the query took longer than ", time_ns_ / 1'000'000'000, " s"));
    }
    return status_;
  }

 private:
  const int64_t time_ns_;
  const Clock& clock_;
  const int64_t deadline_ns_;
  absl::Status status_;
};

// Owned by nothing else; finalized when it goes.
class Statement {
 public:
  Statement() = default;
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // SQLite's code; `tail`: what is behind the first statement.
  int Prepare(sqlite3* connection, std::string_view sql, std::string_view* tail) {
    const char* end = nullptr;
    const int code =
        sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement_, &end);
    if (end != nullptr) *tail = sql.substr(static_cast<size_t>(end - sql.data()));
    return code;
  }
  sqlite3_stmt* get() const { return statement_; }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

class SqlRun {
 public:
  SqlRun(const std::filesystem::path& file, const SqlLimits& limits, const Clock& clock,
         const std::function<bool(v1::QuerySqlResponse)>& take)
      : file_(file),
        limits_(limits),
        take_(take),
        watch_(limits, clock),
        connection_(file, SQLite::OPEN_READONLY) {
    SetUp();
  }

  absl::Status Run(const std::string& sql) {
    SQLite::Transaction transaction(connection_);
    // From here on nothing but the query is prepared, and what `steps` reads for it.
    sqlite3_set_authorizer(handle(), Authorizer::Ask, &authorizer_);
    absl::Status status = RunWithinMemory(sql);
    sqlite3_set_authorizer(handle(), nullptr, nullptr);
    sqlite3_progress_handler(handle(), 0, nullptr, nullptr);
    return status;  // the transaction ends with what it began
  }

 private:
  sqlite3* handle() { return connection_.getHandle(); }

  void SetUp() {
    connection_.exec("PRAGMA temp_store = MEMORY");
    connection_.exec("PRAGMA cache_size = -8192");
    connection_.exec("PRAGMA query_only = ON");
    authorizer_.Know(NamesInFile());
    AddStepsTable(&connection_, authorizer_.own_reads());
    AddBoundedFunctions(&connection_, &may_go_on_);
    // SQLite makes its tables without a file when they are first named, which looks like writing to
    // an authorizer.
    const Query known(connection_,
                      Once{"SELECT 1 FROM runs, steps, json_each('[]'), json_tree('[]')"});
    for (const Limit& limit : kLimits) sqlite3_limit(handle(), limit.what, limit.most);
    sqlite3_progress_handler(handle(), kOperationsBetweenLooks, Watch::Ask, &watch_);
  }

  std::set<std::string> NamesInFile() {
    std::set<std::string> names;
    Query query(connection_, Once{"SELECT lower(name) FROM sqlite_schema"});
    while (query.Step()) names.insert(query.Text(0));
    return names;
  }

  absl::Status RunWithinMemory(const std::string& sql) {
    const SqliteMemoryLimit memory(limits_.memory_bytes);
    absl::Status status = RunOne(sql);
    if (status.ok() || !memory.was_reached()) return status;
    return absl::ResourceExhaustedError(
        absl::StrCat("the query needs more than ", limits_.memory_bytes >> 20, " MiB of memory"));
  }

  absl::Status RunOne(const std::string& sql) {
    if (absl::Status text = CheckText(sql); !text.ok()) return text;
    Statement statement;
    std::string_view tail;
    if (const int code = statement.Prepare(handle(), sql, &tail); code != SQLITE_OK) {
      return ErrorOf(code);
    }
    if (absl::Status kind = CheckKind(statement.get(), tail); !kind.ok()) return kind;
    return SendAll(statement.get());
  }

  static absl::Status CheckText(const std::string& sql) {
    if (sql.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError("the query has a NUL byte, must be text");
    }
    if (sql.size() > static_cast<size_t>(kMostBytesOfSql)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the query has ", sql.size(), " bytes, must have ", kMostBytesOfSql, " at most"));
    }
    const std::string taken = TableNamedLike(sql, ReadingViews());
    if (taken.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("a table of the query is named ", taken,
                                                   ", must have a name that is no view's"));
  }

  absl::Status CheckKind(sqlite3_stmt* statement, std::string_view tail) {
    if (statement == nullptr) {
      return absl::InvalidArgumentError("the query is empty, must be one SELECT, WITH or VALUES");
    }
    const bool explains_code = sqlite3_stmt_isexplain(statement) == 1;
    if (sqlite3_stmt_readonly(statement) == 0 || explains_code ||
        sqlite3_column_count(statement) == 0) {
      return absl::InvalidArgumentError(
          "the query must be one SELECT, WITH, VALUES or EXPLAIN QUERY PLAN");
    }
    if (sqlite3_bind_parameter_count(statement) > 0) {
      return absl::InvalidArgumentError(absl::StrCat("the query has the parameter ",
                                                     NameOfParameter(statement),
                                                     ", must have its values written out"));
    }
    return CheckTail(tail);
  }

  static std::string NameOfParameter(sqlite3_stmt* statement) {
    const char* name = sqlite3_bind_parameter_name(statement, 1);
    return name == nullptr ? "?" : name;
  }

  absl::Status CheckTail(std::string_view tail) {
    while (!tail.empty()) {
      Statement second;
      std::string_view rest;
      const int code = second.Prepare(handle(), tail, &rest);
      if (code != SQLITE_OK || second.get() != nullptr) {
        return absl::InvalidArgumentError("the query has more than one statement, must be one");
      }
      if (rest.size() >= tail.size()) break;
      tail = rest;
    }
    return absl::OkStatus();
  }

  absl::Status SendAll(sqlite3_stmt* statement) {
    const int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; ++i) AddColumn(sqlite3_column_name(statement, i));
    for (uint64_t rows = 0;; ++rows) {
      if (absl::Status looked = watch_.Look(); !looked.ok()) return looked;
      const int code = sqlite3_step(statement);
      if (code == SQLITE_DONE) break;
      if (code != SQLITE_ROW) return ErrorOf(code);
      if (rows >= limits_.max_rows) {
        message_.set_is_cut(true);
        break;
      }
      if (absl::Status added = AddRow(statement, columns, rows); !added.ok()) return added;
      if (IsFull() && !Send()) return absl::OkStatus();
    }
    Send();
    return absl::OkStatus();
  }

  void AddColumn(const char* name) {
    const std::string text = name == nullptr ? "" : name;
    message_.add_columns(IsUtf8(text) ? text : "?");
  }

  absl::Status AddRow(sqlite3_stmt* statement, int columns, uint64_t before) {
    v1::SqlRow* row = message_.add_rows();
    size_t bytes = 0;
    for (int i = 0; i < columns; ++i) bytes += AddValue(statement, i, row->add_values());
    bytes_ += bytes;
    if (bytes <= kMostBytesOfARow) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("row ", before + 1, " of the result has ", bytes,
                                                   " bytes, must have ", kMostBytesOfARow,
                                                   " at most"));
  }

  // Returns how many bytes it takes.
  static size_t AddValue(sqlite3_stmt* statement, int column, v1::SqlValue* value) {
    constexpr size_t kBytesOfANumber = 12;
    switch (sqlite3_column_type(statement, column)) {
      case SQLITE_NULL:
        return 2;
      case SQLITE_INTEGER:
        value->set_integer(sqlite3_column_int64(statement, column));
        return kBytesOfANumber;
      case SQLITE_FLOAT:
        value->set_real(sqlite3_column_double(statement, column));
        return kBytesOfANumber;
      default:
        break;
    }
    const bool is_text = sqlite3_column_type(statement, column) == SQLITE_TEXT;
    const std::string bytes(SqliteValue(sqlite3_column_value(statement, column)).Text());
    if (is_text && IsUtf8(bytes)) {
      value->set_text(bytes);
    } else {
      value->set_blob(bytes);
    }
    return bytes.size() + kBytesOfANumber;
  }

  bool IsFull() const {
    return message_.rows_size() >= kRowsInAMessage || bytes_ >= kBytesInAMessage;
  }

  bool Send() {
    bytes_ = 0;
    return take_(std::exchange(message_, {}));
  }

  absl::Status ErrorOf(int code) {
    if (!watch_.status().ok()) return watch_.status();
    if (!authorizer_.refusal().empty()) {
      return absl::InvalidArgumentError(authorizer_.refusal());
    }
    switch (code & 0xff) {
      case SQLITE_TOOBIG:
        return absl::InvalidArgumentError(absl::StrCat(
            "a value of the query is too large, must have ", kMostBytesOfAValue, " bytes at most"));
      case SQLITE_ERROR:
      case SQLITE_AUTH:
      case SQLITE_MISMATCH:
      case SQLITE_CONSTRAINT:
      case SQLITE_RANGE:
        return absl::InvalidArgumentError(SqlitesWords());
      default:
        return StatusOf(SQLite::Exception(handle(), code & 0xff), file_, handle());
    }
  }

  // `near "FORM": syntax error, at character 10`.
  std::string SqlitesWords() {
    std::string words = absl::StrCat("the query: ", sqlite3_errmsg(handle()));
    const int offset = sqlite3_error_offset(handle());
    return offset < 0 ? words : absl::StrCat(words, ", at character ", offset + 1);
  }

  const std::filesystem::path& file_;
  const SqlLimits limits_;
  const std::function<bool(v1::QuerySqlResponse)>& take_;
  // They outlive the connection, which asks them to its end.
  Authorizer authorizer_;
  Watch watch_;
  const std::function<bool()> may_go_on_ = [this] { return watch_.Look().ok(); };
  SqliteConnection connection_;
  v1::QuerySqlResponse message_;
  size_t bytes_ = 0;
};

}  // namespace

absl::Status RunSql(const std::filesystem::path& file, const std::string& sql,
                    const SqlLimits& limits, const Clock& clock,
                    const std::function<bool(v1::QuerySqlResponse)>& take) {
  try {
    return SqlRun(file, limits, clock, take).Run(sql);
  } catch (const SQLite::Exception& error) {
    return StatusOf(error, file, nullptr);
  }
}

}  // namespace torchlap::storage
