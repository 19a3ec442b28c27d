// What the errors of NVIDIA's driver mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace torchlap::host {

// `XID 31 (GPU memory page fault), XID 154`: each once, in the order in which they came first; of
// more than four the others are counted. Words are after NVIDIA's list (XID Errors, r580), for
// those that a benchmark may meet.
std::string XidWords(const std::vector<uint64_t>& xids);

}  // namespace torchlap::host
