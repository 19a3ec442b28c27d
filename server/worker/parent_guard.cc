#include "server/worker/parent_guard.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace torchlap::worker {

bool TieToParent() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const char* expected = std::getenv("TORCHLAP_PARENT_PID");
  // A parent that died before prctl() sends no signal, but has changed: the kernel gave this
  // process another one.
  return expected == nullptr || std::to_string(getppid()) == expected;
}

}  // namespace torchlap::worker
