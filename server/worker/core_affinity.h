// Which host cores the worker runs on.
#pragma once

#include <string_view>
#include <vector>

namespace torchlap::worker {

// The cores of a list in the kernel's form, `2-5,8`, as written. Throws InvalidRequest if it is no
// such list, is empty, or names a core above 1023.
std::vector<int> ParseCoreList(std::string_view list);

// Pins the calling thread, and with it every thread that it starts later, to the cores of `list`.
// An empty list leaves the affinity alone. Throws InvalidRequest if none of them can be used.
void PinToCores(std::string_view list);

}  // namespace torchlap::worker
