// torchlap-worker: one run of one model, asked for and answered on descriptor 3. The daemon starts
// it.
#include <unistd.h>

#include "server/worker/parent_guard.h"
#include "server/worker/serve.h"

int main() {
  constexpr int kSocket = 3;
  if (torchlap::worker::TieToParent()) torchlap::worker::Serve(kSocket);
  // Without destructors: the kernel takes memory back faster than LibTorch does, and the CUDA
  // runtime may be gone before the objects that use it.
  _exit(0);
}
