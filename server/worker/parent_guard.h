// A worker never outlives its daemon.
#pragma once

namespace torchlap::worker {

// Asks the kernel to kill this process when the thread that started it dies, then checks that this
// did not happen before: false if environment variable TORCHLAP_PARENT_PID is set and is not the
// parent's pid. Without that variable (a run by hand, a test) the check is left out. Call it first
// of all.
bool TieToParent();

}  // namespace torchlap::worker
