// Starts a program as a child that does not outlive the thread that started it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace torchlap::run {

struct ProcessStart {
  std::filesystem::path program;
  // The whole environment, `NAME=value`.
  std::vector<std::string> environment;
  // Descriptor 3 of the child.
  int socket = -1;
  // Its standard output and error; standard input is /dev/null.
  int log = -1;
};

// 0 and the child's pid, or the error (errno) of whatever did not succeed, up to the exec. The
// kernel kills the child when the calling thread ends, from its first moment on: before a dynamic
// linker or a constructor of a library runs. It has a process group of its own, no blocked or
// ignored signals, and inherits no other descriptor. `socket` and `log` are above 3.
int StartProcess(const ProcessStart& start, pid_t* pid);

// Whether an error passes once there are descriptors, processes or memory again.
bool IsLackOfRoom(int error);

}  // namespace torchlap::run
