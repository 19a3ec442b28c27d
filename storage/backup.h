// A copy of the database, made and checked while the daemon goes on.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <filesystem>

#include "proto/base/file_descriptor.h"

namespace torchlap::storage {

// The copy has no name any more: its room is free when this is closed.
struct DatabaseCopy {
  FileDescriptor file;  // at its beginning
  uint64_t bytes = 0;
};

// Copies the database as it is at one moment (VACUUM INTO, so that it is as small as it can be)
// into a file beside it, mode 0600, and looks at every page of the copy. Writers do not wait; the
// WAL is pinned as long as it takes, some seconds a GB. RESOURCE_EXHAUSTED: the disk has not room
// for a second one of its size; DATA_LOSS: what was copied is damaged. Other errors as
// Database::Read. A file that was begun is removed. Thread-safe.
absl::StatusOr<DatabaseCopy> CopyDatabase(const std::filesystem::path& database);

// Removes what a daemon that was killed within CopyDatabase left there. To be called when nobody
// else has the database.
void RemoveUnfinishedCopies(const std::filesystem::path& database);

}  // namespace torchlap::storage
