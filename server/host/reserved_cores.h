// Which cores of the host GPU workers have for themselves. A GPU's worker tells the device what to
// do next: a CPU run on its cores would make it late, and be disturbed by it.
#pragma once

#include <cstddef>
#include <vector>

namespace torchlap::host {

// What the worker of one GPU is to have.
struct CoreWish {
  size_t count = 0;
  // Of the GPU's NUMA node; empty: not known.
  std::vector<int> local = {};
};

// Cores of `pool`, sorted, for each wish; `most` of them together. Local ones before others, high
// numbers before low ones. Each gets one before anybody gets a second, and as many as the others
// who want more. Where there is not one for each, nobody gets any. Pure.
std::vector<std::vector<int>> ReserveCores(std::vector<int> pool,
                                           const std::vector<CoreWish>& wishes, size_t most);

}  // namespace torchlap::host
