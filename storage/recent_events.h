// The newest events of jobs, kept so that a hundred watchers cost the database one reading.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "proto/base/mutex.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// Thread-safe. Events never change, and come in the order of their numbers.
class RecentEvents {
 public:
  // Events with a number above `after`, oldest first, at most `limit`.
  using Read = std::function<std::vector<v1::JobEvent>(uint64_t after, uint32_t limit)>;

  // The same. `newest`: number of an event that is committed, and no committed one was above it
  // when the call was made. `read` is called, under the lock, for those that are not kept; what it
  // throws is passed on.
  std::vector<v1::JobEvent> After(uint64_t after, uint32_t limit, uint64_t newest, const Read& read)
      TORCHLAP_EXCLUDES(mutex_);

 private:
  std::deque<v1::JobEvent>::const_iterator FirstAfter(uint64_t after) const
      TORCHLAP_REQUIRES(mutex_);
  void Extend(uint32_t limit, uint64_t newest, const Read& read) TORCHLAP_REQUIRES(mutex_);

  Mutex mutex_;
  // All events with a number above begin_, up to end_.
  std::deque<v1::JobEvent> events_ TORCHLAP_GUARDED_BY(mutex_);
  uint64_t begin_ TORCHLAP_GUARDED_BY(mutex_) = 0;
  uint64_t end_ TORCHLAP_GUARDED_BY(mutex_) = 0;
};

}  // namespace torchlap::storage
