// The queue as it was after one job_event: derived data, made anew from the database when that has
// moved on, never written to. What it is for: a page of a long queue asks of a thousand jobs how
// many are ahead of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/records.h"

namespace torchlap::run {

// Some 24 bytes a job. Immutable, so thread-safe.
class QueuePicture {
 public:
  // Where a job is in the queue.
  struct Place {
    uint32_t index = 0;  // smaller is earlier
    uint32_t key = 0;    // of KeyText
  };

  explicit QueuePicture(storage::Queued queue);

  // Of the newest job_event when it was made.
  uint64_t sequence() const { return sequence_; }
  // Nothing: not queued and not running.
  std::optional<Place> Find(uint64_t job_id) const;
  const std::string& KeyText(const Place& place) const { return keys_[place.key]; }
  // Numbers of those of the device keys that anything in the queue has.
  std::vector<uint32_t> NumbersOf(const std::vector<std::string>& keys) const;
  // Jobs with one of these keys before `index`; all with kEnd.
  static constexpr uint32_t kEnd = UINT32_MAX;
  uint32_t CountBefore(uint32_t index, const std::vector<uint32_t>& keys) const;

 private:
  struct Entry {
    uint64_t job_id = 0;
    Place place;
  };

  uint64_t sequence_;
  std::vector<std::string> keys_;
  std::vector<Entry> by_job_;
  std::vector<std::vector<uint32_t>> indexes_;  // of each key, ascending
};

}  // namespace torchlap::run
