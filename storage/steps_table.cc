#include "storage/steps_table.h"

#include <SQLiteCpp/Exception.h>
#include <absl/strings/str_cat.h>
#include <sqlite3.h>

#include <memory>
#include <new>
#include <optional>
#include <string>

#include "proto/samples.h"
#include "storage/run_row.h"

namespace torchlap::storage {
namespace {

constexpr int kRunId = 0;
constexpr int kStep = 1;
constexpr int kWarmup = 2;
constexpr int kFirstTime = 3;

// idxNum: what xBestIndex tells xFilter.
constexpr int kAllRuns = 0;
constexpr int kOneRun = 1;

constexpr char kColumns[] =
    "SELECT run.job_id || '.' || run.number, sample.format, sample.steps FROM run ";
constexpr char kOfOneRun[] =
    "JOIN sample ON sample.run_id = run.id "
    "WHERE run.job_id = ? AND run.number = ? AND run.outcome IS NOT NULL";
// In the order of the blocks in the file.
constexpr char kOfAllRuns[] =
    "JOIN sample ON sample.run_id = run.id WHERE run.outcome IS NOT NULL ORDER BY sample.run_id";

// SQLite's own limit.
constexpr int kMostBytesOfABlock = 1'000'000'000;

struct Module {
  SqliteConnection* connection;
  OwnReads* own_reads;
};

// What is read for the table is no part of the query: neither what that may read, nor how large its
// values may be, goes for it.
class ReadsOfItsOwn {
 public:
  explicit ReadsOfItsOwn(const Module& module)
      : module_(module), length_(Limit(kMostBytesOfABlock)) {
    ++module_.own_reads->depth;
  }
  ~ReadsOfItsOwn() {
    --module_.own_reads->depth;
    Limit(length_);
  }
  ReadsOfItsOwn(const ReadsOfItsOwn&) = delete;
  ReadsOfItsOwn& operator=(const ReadsOfItsOwn&) = delete;

 private:
  // Returns what it was.
  int Limit(int bytes) const {
    return sqlite3_limit(module_.connection->getHandle(), SQLITE_LIMIT_LENGTH, bytes);
  }

  const Module module_;
  const int length_;
};

struct Table : sqlite3_vtab {
  Module module = {};
};

struct Cursor : sqlite3_vtab_cursor {
  std::unique_ptr<Query> blocks;
  std::string run_id;
  v1::SampleBlock block;
  int step = 0;  // in the block
  bool is_over = true;
};

Table* TableOf(sqlite3_vtab* base) { return static_cast<Table*>(base); }
Cursor* CursorOf(sqlite3_vtab_cursor* base) { return static_cast<Cursor*>(base); }

int Fail(sqlite3_vtab* table, int code, const std::string& message) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("%s", message.c_str());
  return code;
}

// SQLite is C: no exception may pass.
template <typename Body>
int Guarded(sqlite3_vtab* table, const Body& body) {
  try {
    return body();
  } catch (const SQLite::Exception& error) {
    return Fail(table, error.getErrorCode(), error.what());
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  }
}

std::string Declaration() {
  std::string columns = "CREATE TABLE steps (run_id TEXT, step INTEGER, warmup INTEGER";
  for (const SampleColumn& column : SampleColumns()) {
    absl::StrAppend(&columns, ", ", column.name, " INTEGER");
  }
  return columns + ")";
}

int Connect(sqlite3* database, void* module, int /*count*/, const char* const* /*arguments*/,
            sqlite3_vtab** table, char** /*error*/) {
  const int declared = sqlite3_declare_vtab(database, Declaration().c_str());
  if (declared != SQLITE_OK) return declared;
  auto made = std::unique_ptr<Table>(new (std::nothrow) Table());
  if (made == nullptr) return SQLITE_NOMEM;
  made->module = *static_cast<const Module*>(module);
  *table = made.release();
  return SQLITE_OK;
}

int Disconnect(sqlite3_vtab* table) {
  delete TableOf(table);
  return SQLITE_OK;
}

int BestIndex(sqlite3_vtab* /*table*/, sqlite3_index_info* info) {
  info->idxNum = kAllRuns;
  info->estimatedCost = 1e9;
  info->estimatedRows = 10'000'000;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    const bool names_run = constraint.iColumn == kRunId && constraint.usable != 0 &&
                           constraint.op == SQLITE_INDEX_CONSTRAINT_EQ;
    if (!names_run) continue;
    // SQLite compares once more.
    info->aConstraintUsage[i].argvIndex = 1;
    info->idxNum = kOneRun;
    info->estimatedCost = 1000;
    info->estimatedRows = 100;
    break;
  }
  return SQLITE_OK;
}

int Open(sqlite3_vtab* /*table*/, sqlite3_vtab_cursor** cursor) {
  auto* const made = new (std::nothrow) Cursor();
  if (made == nullptr) return SQLITE_NOMEM;
  *cursor = made;
  return SQLITE_OK;
}

int Close(sqlite3_vtab_cursor* cursor) {
  delete CursorOf(cursor);
  return SQLITE_OK;
}

// To the first step of the next block that has one.
int NextBlock(Cursor* cursor) {
  cursor->step = 0;
  while (cursor->blocks->Step()) {
    cursor->run_id = cursor->blocks->Text(0);
    const bool is_known =
        cursor->blocks->Int(1) == 1 && cursor->block.ParseFromString(cursor->blocks->Text(2));
    if (!is_known) {
      return Fail(cursor->pVtab, SQLITE_CORRUPT_VTAB,
                  absl::StrCat("the samples of run ", cursor->run_id, " cannot be read"));
    }
    if (cursor->block.step_ns_size() > 0) return SQLITE_OK;
  }
  cursor->is_over = true;
  return SQLITE_OK;
}

int Filter(sqlite3_vtab_cursor* base, int index, const char* /*name*/, int count,
           sqlite3_value** arguments) {
  Cursor* const cursor = CursorOf(base);
  const Module& module = TableOf(base->pVtab)->module;
  return Guarded(base->pVtab, [&] {
    const ReadsOfItsOwn own(module);
    cursor->blocks.reset();
    cursor->is_over = true;
    std::optional<RunKey> key;
    if (index == kOneRun && count == 1) {
      key = ParseRunId(std::string(SqliteValue(arguments[0]).Text()));
      if (!key) return SQLITE_OK;  // no run is named so
    }
    cursor->blocks = std::make_unique<Query>(
        *module.connection, Once{absl::StrCat(kColumns, key ? kOfOneRun : kOfAllRuns)});
    if (key) {
      cursor->blocks->Bind(key->job_id);
      cursor->blocks->Bind(key->number);
    }
    cursor->is_over = false;
    return NextBlock(cursor);
  });
}

int Next(sqlite3_vtab_cursor* base) {
  Cursor* const cursor = CursorOf(base);
  if (++cursor->step < cursor->block.step_ns_size()) return SQLITE_OK;
  return Guarded(base->pVtab, [&] {
    const ReadsOfItsOwn own(TableOf(base->pVtab)->module);
    return NextBlock(cursor);
  });
}

int IsAtEnd(sqlite3_vtab_cursor* base) { return CursorOf(base)->is_over ? 1 : 0; }

void AnswerTime(const Cursor& cursor, int column, sqlite3_context* answer) {
  const auto index = static_cast<size_t>(column - kFirstTime);
  const SampleTimes& times = (cursor.block.*SampleColumns().at(index).times)();
  // A column has an entry for each step, or none at all: then it is NULL.
  if (cursor.step < times.size()) sqlite3_result_int64(answer, times.Get(cursor.step));
}

int Column(sqlite3_vtab_cursor* base, sqlite3_context* answer, int column) {
  const Cursor& cursor = *CursorOf(base);
  const int64_t step = int64_t{cursor.block.first_step()} + cursor.step;
  if (column == kRunId) {
    sqlite3_result_text(answer, cursor.run_id.c_str(), static_cast<int>(cursor.run_id.size()),
                        SQLITE_TRANSIENT);
  } else if (column == kStep) {
    sqlite3_result_int64(answer, step);
  } else if (column == kWarmup) {
    sqlite3_result_int(answer, step < int64_t{cursor.block.warmup_steps()} ? 1 : 0);
  } else {
    AnswerTime(cursor, column, answer);
  }
  return SQLITE_OK;
}

// Within a block only: nothing joins by it.
int RowId(sqlite3_vtab_cursor* base, sqlite3_int64* row) {
  *row = CursorOf(base)->step;
  return SQLITE_OK;
}

// Without xCreate: the table needs no CREATE, and there can be no other of the kind.
sqlite3_module MakeModule() {
  sqlite3_module module = {};
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xOpen = Open;
  module.xClose = Close;
  module.xFilter = Filter;
  module.xNext = Next;
  module.xEof = IsAtEnd;
  module.xColumn = Column;
  module.xRowid = RowId;
  return module;
}

void DeleteModule(void* module) { delete static_cast<Module*>(module); }

}  // namespace

void AddStepsTable(SqliteConnection* connection, OwnReads* own_reads) {
  static const sqlite3_module methods = MakeModule();
  // SQLite deletes it, also where it fails.
  const int added = sqlite3_create_module_v2(connection->getHandle(), "steps", &methods,
                                             new Module{connection, own_reads}, DeleteModule);
  if (added != SQLITE_OK) throw SQLite::Exception(connection->getHandle(), added);
}

}  // namespace torchlap::storage
