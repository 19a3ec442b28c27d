// How much SQLite may allocate in one thread.
#pragma once

#include <cstdint>

namespace torchlap::storage {

// While it lives, what SQLite allocates in this thread, less what it frees there, stays within the
// limit: what would be more fails with SQLITE_NOMEM, in this thread alone. SQLite's own limit
// (sqlite3_hard_heap_limit64) is one of the whole process, and writers would fail by it. A query of
// some 1000 characters can make SQLite's parser double an expression 30 times over, within one call
// of sqlite3_prepare. One at a time in a thread; it ends in the thread that made it.
class SqliteMemoryLimit {
 public:
  explicit SqliteMemoryLimit(int64_t bytes);
  ~SqliteMemoryLimit();
  SqliteMemoryLimit(const SqliteMemoryLimit&) = delete;
  SqliteMemoryLimit& operator=(const SqliteMemoryLimit&) = delete;

  // Whether something failed by it.
  bool was_reached() const { return was_reached_; }

  // For SQLite's allocator. False: `bytes` more are too many.
  bool MayTake(int64_t bytes);
  void Took(int64_t bytes) { used_bytes_ += bytes; }

 private:
  const int64_t most_bytes_;
  int64_t used_bytes_ = 0;  // below 0 where older memory was freed
  bool was_reached_ = false;
};

}  // namespace torchlap::storage
