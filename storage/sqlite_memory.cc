#include "storage/sqlite_memory.h"

#include <sqlite3.h>

namespace torchlap::storage {
namespace {

thread_local SqliteMemoryLimit* limit_of_thread = nullptr;

// SQLite's own; static, and so null until Install has run.
sqlite3_mem_methods own;

void* Allocate(int bytes) {
  SqliteMemoryLimit* const limit = limit_of_thread;
  if (limit == nullptr) return own.xMalloc(bytes);
  if (!limit->MayTake(bytes)) return nullptr;
  void* const made = own.xMalloc(bytes);
  if (made != nullptr) limit->Took(own.xSize(made));
  return made;
}

void Free(void* memory) {
  if (limit_of_thread != nullptr) limit_of_thread->Took(-int64_t{own.xSize(memory)});
  own.xFree(memory);
}

void* Resize(void* memory, int bytes) {
  SqliteMemoryLimit* const limit = limit_of_thread;
  if (limit == nullptr) return own.xRealloc(memory, bytes);
  const int64_t before = own.xSize(memory);
  if (!limit->MayTake(bytes - before)) return nullptr;
  void* const made = own.xRealloc(memory, bytes);
  if (made != nullptr) limit->Took(own.xSize(made) - before);
  return made;
}

// SQLite takes an allocator before its first call alone, so before main().
bool Install() {
  if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &own) != SQLITE_OK) return false;
  sqlite3_mem_methods limited = own;
  limited.xMalloc = Allocate;
  limited.xFree = Free;
  limited.xRealloc = Resize;
  return sqlite3_config(SQLITE_CONFIG_MALLOC, &limited) == SQLITE_OK;
}

[[maybe_unused]] const bool is_installed = Install();

}  // namespace

SqliteMemoryLimit::SqliteMemoryLimit(int64_t bytes) : most_bytes_(bytes) { limit_of_thread = this; }

SqliteMemoryLimit::~SqliteMemoryLimit() { limit_of_thread = nullptr; }

bool SqliteMemoryLimit::MayTake(int64_t bytes) {
  if (used_bytes_ + bytes <= most_bytes_) return true;
  was_reached_ = true;
  return false;
}

}  // namespace torchlap::storage
