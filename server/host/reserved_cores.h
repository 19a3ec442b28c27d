// Which cores of the host GPU workers have for themselves. A GPU's worker tells the device what to
// do next: a CPU run on its cores, or on the other hyperthread of one, would make it late, and be
// disturbed by it.
#pragma once

#include <cstddef>
#include <vector>

#include "server/host/physical_cores.h"

namespace torchlap::host {

// What the worker of one GPU is to have.
struct CoreWish {
  size_t count = 0;  // of physical cores
  // Of the GPU's NUMA node; empty: not known.
  std::vector<int> local = {};
};

// Physical cores of `pool` for each wish, told as their logical ones, sorted; `most` logical ones
// together. Local ones before others, of these whole ones before those that have a sibling outside
// the pool, high numbers before low ones. Each gets one before anybody gets a second, and as many
// as the others who want more. Where there is not one for each, nobody gets any. Pure.
std::vector<std::vector<int>> ReserveCores(std::vector<PhysicalCore> pool,
                                           const std::vector<CoreWish>& wishes, size_t most);

}  // namespace torchlap::host
