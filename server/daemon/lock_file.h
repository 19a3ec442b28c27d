// A lock that one daemon holds on the socket, and one on the database, for as long as it lives.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <string>
#include <utility>

#include "proto/base/file_descriptor.h"

namespace torchlap::daemon {

// Held from Acquire until destruction; the kernel frees it when the process dies, however that
// happens. Movable. Children that exec do not inherit it.
class LockFile {
 public:
  // Locks `<guarded>.lock`, made (0600) if it is missing and never removed: removing it would let
  // two daemons hold a lock on two files of one name. `what` is put in messages: "socket".
  // FAILED_PRECONDITION in one line: another process has it, with its pid where it is known.
  // PERMISSION_DENIED, NOT_FOUND, RESOURCE_EXHAUSTED or INTERNAL: the file cannot be made, or is no
  // regular file of this user's (server/host/own_file.h).
  static absl::StatusOr<LockFile> Acquire(const std::filesystem::path& guarded,
                                          const std::string& what);

  const std::filesystem::path& guarded() const { return guarded_; }
  // Whether the file at the path is the one that is locked. Not so: it was deleted or replaced, and
  // another process may lock what is there.
  bool IsInPlace() const;

 private:
  LockFile(std::filesystem::path guarded, FileDescriptor fd)
      : guarded_(std::move(guarded)), fd_(std::move(fd)) {}
  std::filesystem::path guarded_;
  FileDescriptor fd_;
};

}  // namespace torchlap::daemon
