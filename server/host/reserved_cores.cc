#include "server/host/reserved_cores.h"

#include <algorithm>
#include <utility>

namespace torchlap::host {
namespace {

bool Has(const std::vector<int>& cores, int core) {
  return std::find(cores.begin(), cores.end(), core) != cores.end();
}

// Takes the best core for the wish out of the pool, which has one.
int TakeBest(const CoreWish& wish, std::vector<int>* pool) {
  const auto best = std::max_element(pool->begin(), pool->end(), [&](int a, int b) {
    return std::pair(Has(wish.local, a), a) < std::pair(Has(wish.local, b), b);
  });
  const int core = *best;
  pool->erase(best);
  return core;
}

}  // namespace

std::vector<std::vector<int>> ReserveCores(std::vector<int> pool,
                                           const std::vector<CoreWish>& wishes, size_t most) {
  std::vector<std::vector<int>> reserved(wishes.size());
  size_t left = std::min(most, pool.size());
  for (size_t round = 0;; ++round) {
    const auto wanting = static_cast<size_t>(
        std::count_if(wishes.begin(), wishes.end(),
                      [round](const CoreWish& wish) { return wish.count > round; }));
    if (wanting == 0 || wanting > left) break;
    for (size_t i = 0; i < wishes.size(); ++i) {
      if (wishes[i].count > round) reserved[i].push_back(TakeBest(wishes[i], &pool));
    }
    left -= wanting;
  }
  for (std::vector<int>& cores : reserved) std::sort(cores.begin(), cores.end());
  return reserved;
}

}  // namespace torchlap::host
