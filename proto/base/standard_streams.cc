#include "proto/base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

namespace torchlap {

void OpenStandardStreams(bool may_write) {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    // The lowest number that is free, which is this one. Inherited by children as the real ones
    // are.
    ::open("/dev/null", may_write ? O_RDWR : O_RDONLY);
  }
}

}  // namespace torchlap
