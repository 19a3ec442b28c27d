#include "server/host/reserved_cores.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>

namespace torchlap::host {
namespace {

// What is left for the wishes, and what they have.
struct Deal {
  std::vector<PhysicalCore> pool;
  size_t room = 0;  // for logical cores
  std::vector<std::vector<int>> reserved;
};

// How well the core serves the wish.
std::tuple<bool, bool, int> RankOf(const PhysicalCore& core, const CoreWish& wish) {
  const bool is_local = std::any_of(core.cores.begin(), core.cores.end(), [&](int logical) {
    return std::find(wish.local.begin(), wish.local.end(), logical) != wish.local.end();
  });
  return {is_local, core.is_whole, core.cores.back()};
}

// The best core of those that there is room for.
std::optional<size_t> BestFor(const CoreWish& wish, const Deal& deal) {
  std::optional<size_t> best;
  for (size_t i = 0; i < deal.pool.size(); ++i) {
    if (deal.pool[i].cores.size() > deal.room) continue;
    if (!best || RankOf(deal.pool[*best], wish) < RankOf(deal.pool[i], wish)) best = i;
  }
  return best;
}

void Take(size_t core, size_t who, Deal* deal) {
  const auto taken = deal->pool.begin() + static_cast<std::ptrdiff_t>(core);
  deal->room -= taken->cores.size();
  std::vector<int>& reserved = deal->reserved[who];
  reserved.insert(reserved.end(), taken->cores.begin(), taken->cores.end());
  deal->pool.erase(taken);
}

// One more for each that wants more than `round`. Nothing: there is not one for each, or nobody
// wants one.
std::optional<Deal> NextRound(Deal deal, const std::vector<CoreWish>& wishes, size_t round) {
  bool is_wanted = false;
  for (size_t i = 0; i < wishes.size(); ++i) {
    if (wishes[i].count <= round) continue;
    is_wanted = true;
    const std::optional<size_t> best = BestFor(wishes[i], deal);
    if (!best) return std::nullopt;
    Take(*best, i, &deal);
  }
  return is_wanted ? std::optional(std::move(deal)) : std::nullopt;
}

}  // namespace

std::vector<std::vector<int>> ReserveCores(std::vector<PhysicalCore> pool,
                                           const std::vector<CoreWish>& wishes, size_t most) {
  Deal deal = {std::move(pool), most, std::vector<std::vector<int>>(wishes.size())};
  for (size_t round = 0;; ++round) {
    std::optional<Deal> next = NextRound(deal, wishes, round);
    if (!next) break;
    deal = *std::move(next);
  }
  for (std::vector<int>& cores : deal.reserved) std::sort(cores.begin(), cores.end());
  return std::move(deal.reserved);
}

}  // namespace torchlap::host
