// The SQLite file: opening, migrating, refusing. One process owns it (the daemon's lock file sees
// to that).
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace SQLite {
class Database;
}

namespace torchlap::storage {

struct Migration;  // storage/schema.h

// One writer connection, which also does the checkpoints (SQLite before 3.51.3 can lose data when
// two connections write or checkpoint at once), and read-only connections for queries. WAL,
// synchronous=FULL, foreign keys on. Thread-safe: writers take turns, readers do not wait.
class Database {
 public:
  // Opens the file, creating it (mode 0600) if it is not there, and migrates it to the newest
  // schema; views that are not this program's are made anew. Before a migration of a file that has
  // data a copy is left beside it as
  // `<file>.before-vN`, N the version migrated to. FAILED_PRECONDITION: the file is newer than this
  // program, or no torchlap database; nothing was changed. DATA_LOSS: damaged, as far as it can be
  // seen within a second (database_check.h); nothing was changed. PERMISSION_DENIED: cannot be
  // written. RESOURCE_EXHAUSTED: disk full. Each message names the file, what is wrong, and what
  // would be right.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::filesystem::path& file);
  // The same with other migrations than the program's own, and no views: for tests of the
  // mechanism.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::filesystem::path& file,
                                                        const std::vector<Migration>& migrations);

  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs `body` in one IMMEDIATE transaction on the writer; commits if it returns OK, rolls back
  // otherwise. SQLite's errors (exceptions of SQLiteCpp) become: FULL and BUSY ->
  // RESOURCE_EXHAUSTED, READONLY/PERM -> PERMISSION_DENIED, CORRUPT/NOTADB -> DATA_LOSS, TOOBIG ->
  // INVALID_ARGUMENT, everything else INTERNAL.
  absl::Status Write(const std::function<absl::Status(SQLite::Database&)>& body);

  // Runs `body` in one read transaction on a read-only connection of its own; the same mapping of
  // errors. Keep it short: a reader that stays open pins the WAL. A connection on which SQLite
  // failed is closed and not used again.
  absl::Status Read(const std::function<absl::Status(SQLite::Database&)>& body) const;

  // Gives pages that nothing uses back to the disk: in steps of 4 MiB, between which others write.
  // A file that was made before there was this call is written anew instead, once (VACUUM), and is
  // of the new kind afterwards: that takes some 10 s a GB, in which every writer waits, and room
  // for two more of its size (RESOURCE_EXHAUSTED; nothing was changed). Where a reader holds on to
  // the WAL, the file becomes smaller at a later write.
  absl::Status Shrink();

  // What Open found that does not keep the rest from being used, a line each: rows that refer to
  // missing ones.
  const std::vector<std::string>& damage() const;

  const std::filesystem::path& file() const;
  uint32_t schema_version() const;
  // Size of the main file and its WAL.
  uint64_t size_bytes() const;

 private:
  class Connections;
  Database(std::unique_ptr<Connections> connections, std::vector<std::string> damage);
  std::unique_ptr<Connections> connections_;
  const std::vector<std::string> damage_;
};

}  // namespace torchlap::storage
