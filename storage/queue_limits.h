// How much may wait in the queue: pure arithmetic on counts.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>

namespace torchlap::storage {

// 0: no limit. What counts is what is still to be begun: a job with 1,000 launches of which 990 are
// left is 990.
struct QueueLimits {
  uint64_t jobs = 0;
  uint64_t launches = 0;
  uint64_t launches_per_user = 0;
  // Who would have no more than so many queued is never refused, however much others have: nobody
  // else can take this share.
  uint64_t share = 0;
};

// The part of `launches` that is kept for admins: a tenth.
uint64_t AdminReserve(const QueueLimits& limits);

struct QueueAmount {
  uint64_t jobs = 0;
  uint64_t launches = 0;
};

struct QueueUse {
  QueueAmount everyone;
  uint64_t launches_of_user = 0;
};

// RESOURCE_EXHAUSTED in words that say who, how many, and the key of the limit. Admins have no
// limit of their own, and the reserve.
absl::Status CheckRoom(const QueueLimits& limits, const QueueUse& queued, const QueueAmount& asked,
                       const std::string& user, bool is_admin);

}  // namespace torchlap::storage
