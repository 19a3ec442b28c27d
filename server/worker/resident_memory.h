// What the kernel counts as this process's memory.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>

namespace torchlap::worker {

// The most that the process has had in memory at once, its libraries included: VmHWM of
// /proc/self/status. Not getrusage: its number survives an exec, and may be the parent's. Nothing
// where the kernel does not say.
std::optional<uint64_t> PeakResidentBytes();

// The same from the text of such a file.
std::optional<uint64_t> PeakResidentBytes(std::istream& status);

}  // namespace torchlap::worker
