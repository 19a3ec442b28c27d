// A forked child that does one thing and then waits to be killed: for tests of what the kernel
// frees on death.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

namespace torchlap::host {

class ChildProcess {
 public:
  // Returns when `act` has returned in the child, with what it returned.
  explicit ChildProcess(const std::function<bool()>& act) {
    int ready[2] = {-1, -1};
    if (pipe(ready) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      const char result = act() ? 1 : 0;
      if (write(ready[1], &result, 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ready[1]);
    char result = 0;
    acted_ = read(ready[0], &result, 1) == 1 && result == 1;
    close(ready[0]);
  }
  ~ChildProcess() { Kill(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool acted() const { return acted_; }

  // SIGKILL, and waits for the end.
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  bool acted_ = false;
};

}  // namespace torchlap::host
