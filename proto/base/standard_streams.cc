#include "proto/base/standard_streams.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace torchlap {

void OpenStandardStreams(bool may_write) {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    // Not by the functions of libc, which sanitizers replace, and have not set up yet.
    if (::syscall(SYS_fcntl, number, F_GETFD) >= 0) continue;
    // The lowest number that is free, which is this one; children inherit it as they do real ones.
    ::syscall(SYS_openat, AT_FDCWD, "/dev/null", may_write ? O_RDWR : O_RDONLY);
  }
}

}  // namespace torchlap
