// How many descriptors this process may have open (RLIMIT_NOFILE).
#pragma once

#include <cstddef>

namespace torchlap::host {

// So many are enough for all that a daemon does; a hard limit may be a thousand million.
inline constexpr size_t kDescriptorsWanted = 65536;

// Raises the soft limit as far as the hard one and kDescriptorsWanted allow. Returns how many may
// be open now. Once, before there are threads.
size_t RaiseDescriptorLimit();

// Sets the limit that this process was started with. For a child, which may use select(2), between
// vfork and exec: system calls only.
void RestoreDescriptorLimit();

}  // namespace torchlap::host
