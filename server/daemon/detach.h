// A daemon that leaves the terminal: a session of its own, its log in a file.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "proto/base/file_descriptor.h"

namespace torchlap::daemon {

// What the process that went into the background tells the one that was called.
class StartReport {
 public:
  explicit StartReport(FileDescriptor to) : to_(std::move(to)) {}

  // Once: it answers, or why it does not.
  void Succeeded();
  void Failed(const std::string& line);

 private:
  FileDescriptor to_;
};

// How a start in the background went, as the calling process sees it.
struct Detached {
  pid_t pid = 0;
  std::string failure;  // one line; empty: it answers
};

// Forks; before any thread is started. In the child: a report to be made, and standard output and
// error go to `log`, which is appended to (0600). In the parent: what the child reported, after it
// did. An error, in the parent alone: the log cannot be opened, or is no regular file of this
// user's, or there is no process to be had.
struct DetachedSide {
  std::optional<StartReport> child;
  Detached parent;
};
absl::StatusOr<DetachedSide> Detach(const std::filesystem::path& log);

}  // namespace torchlap::daemon
