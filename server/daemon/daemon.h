// A daemon from its configuration: folders, locks, database, devices, socket.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <filesystem>
#include <memory>

#include "server/host/configuration.h"

namespace torchlap::daemon {

// Starts in the constructor's order, stops in the reverse. Not thread-safe; signals are the
// caller's.
class Daemon {
 public:
  // Everything that can go wrong is said in one line: another daemon holds the socket or the
  // database (FAILED_PRECONDITION), the torch folder that was named is not the right one
  // (INVALID_ARGUMENT), a folder or file cannot be used (PERMISSION_DENIED), the
  // database is newer or damaged.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const host::Configuration& configuration);
  // Refuses new jobs, ends running workers (their runs are INTERRUPTED and queued again), answers
  // what is being asked, closes.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  struct Parts;
  explicit Daemon(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace torchlap::daemon
