// The real program as a child of the test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/client/temporary_folder.h"

namespace torchlap::client {

class ChildProcess {
 public:
  // Starts torchlap with these words; stdout and stderr go to files, or stdout to `out_path`.
  explicit ChildProcess(std::vector<std::string> words, const std::string& out_path = "");
  // Ends it if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void Signal(int signal);
  void Interrupt();
  // The exit code, or -1 if a signal ended it.
  int Wait();
  std::string out() const;
  std::string err() const;

 private:
  const TemporaryFolder folder_;
  pid_t pid_ = -1;
};

}  // namespace torchlap::client
