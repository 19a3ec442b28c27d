// Whether the files that a daemon has open are still those at their paths.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace torchlap::host {

// What is written into a file that was deleted, or replaced, is lost with the process. Immutable,
// so thread-safe.
class StateFiles {
 public:
  // Remembers which files they are now: while the caller has just opened them.
  explicit StateFiles(const std::vector<std::filesystem::path>& files);

  // One line: `/x/torchlap.db was deleted while the daemon has it open`. Empty: all are in place.
  std::string Problem() const;

 private:
  struct File {
    std::filesystem::path path;
    dev_t device = 0;
    ino_t inode = 0;
  };
  std::vector<File> files_;
};

}  // namespace torchlap::host
