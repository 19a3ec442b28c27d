#include "server/run/fair_order.h"

#include <algorithm>
#include <tuple>

namespace torchlap::run {
namespace {

bool ComesBefore(const storage::QueueHead& a, const storage::QueueHead& b) {
  return std::make_tuple(-int64_t{a.priority}, a.owner_recent_device_ns, a.position) <
         std::make_tuple(-int64_t{b.priority}, b.owner_recent_device_ns, b.position);
}

}  // namespace

const storage::QueueHead* ChooseNext(const std::vector<storage::QueueHead>& heads) {
  const auto next = std::min_element(heads.begin(), heads.end(), ComesBefore);
  return next == heads.end() ? nullptr : &*next;
}

}  // namespace torchlap::run
