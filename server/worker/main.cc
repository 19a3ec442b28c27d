// torchlap-worker: one run of one model, asked for and answered on descriptor 3. The daemon starts
// it.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "server/worker/parent_guard.h"
#include "server/worker/serve.h"

namespace {

constexpr int kSocket = 3;

bool HasSocket() {
  struct stat status;
  return fstat(kSocket, &status) == 0 && S_ISSOCK(status.st_mode);
}

}  // namespace

int main() {
  if (!torchlap::worker::TieToParent()) _exit(0);
  if (!HasSocket()) {
    std::fputs("torchlap-worker: descriptor 3 is not a socket; torchlapd starts this program\n",
               stderr);
    return 1;
  }
  torchlap::worker::Serve(kSocket);
  // Without destructors: the kernel takes memory back faster than LibTorch does, and the CUDA
  // runtime may be gone before the objects that use it.
  _exit(0);
}
