#include "storage/recent_events.h"

#include <algorithm>
#include <utility>

namespace torchlap::storage {
namespace {

// Some 2 KB each.
constexpr size_t kKept = 512;

}  // namespace

std::vector<v1::JobEvent> RecentEvents::After(uint64_t after, uint32_t limit, uint64_t newest,
                                              const Read& read) {
  MutexLock lock(&mutex_);
  // Of a reader that lags behind; it catches up by itself.
  if (after < begin_) return read(after, limit);
  if (after > end_) {
    events_.clear();
    begin_ = end_ = after;
  }
  const bool is_enough = static_cast<size_t>(events_.cend() - FirstAfter(after)) >= limit;
  if (!is_enough && end_ < newest) Extend(limit, newest, read);
  const auto begin = FirstAfter(after);
  const auto end = begin + std::min<ptrdiff_t>(events_.cend() - begin, limit);
  std::vector<v1::JobEvent> found(begin, end);
  while (events_.size() > kKept) {
    begin_ = events_.front().sequence();
    events_.pop_front();
  }
  return found;
}

std::deque<v1::JobEvent>::const_iterator RecentEvents::FirstAfter(uint64_t after) const {
  return std::upper_bound(
      events_.begin(), events_.end(), after,
      [](uint64_t number, const v1::JobEvent& event) { return number < event.sequence(); });
}

void RecentEvents::Extend(uint32_t limit, uint64_t newest, const Read& read) {
  std::vector<v1::JobEvent> more = read(end_, limit);
  // Fewer than there may be: all are here.
  const bool is_all = more.size() < limit;
  if (!more.empty()) end_ = more.back().sequence();
  if (is_all) end_ = std::max(end_, newest);
  events_.insert(events_.end(), std::move_iterator(more.begin()), std::move_iterator(more.end()));
}

}  // namespace torchlap::storage
