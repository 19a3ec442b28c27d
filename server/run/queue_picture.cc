#include "server/run/queue_picture.h"

#include <algorithm>
#include <utility>

namespace torchlap::run {

QueuePicture::QueuePicture(storage::Queued queue)
    : sequence_(queue.sequence), keys_(std::move(queue.keys)), indexes_(keys_.size()) {
  by_job_.reserve(queue.entries.size());
  for (const storage::Queued::Entry& entry : queue.entries) {
    const auto index = static_cast<uint32_t>(by_job_.size());
    by_job_.push_back({entry.job_id, {index, entry.key}});
    indexes_[entry.key].push_back(index);
  }
  const auto earlier = [](const Entry& a, const Entry& b) { return a.job_id < b.job_id; };
  if (!std::is_sorted(by_job_.begin(), by_job_.end(), earlier)) {
    std::sort(by_job_.begin(), by_job_.end(), earlier);
  }
}

std::optional<QueuePicture::Place> QueuePicture::Find(uint64_t job_id) const {
  const auto found =
      std::lower_bound(by_job_.begin(), by_job_.end(), job_id,
                       [](const Entry& entry, uint64_t id) { return entry.job_id < id; });
  if (found == by_job_.end() || found->job_id != job_id) return std::nullopt;
  return found->place;
}

std::vector<uint32_t> QueuePicture::NumbersOf(const std::vector<std::string>& keys) const {
  std::vector<uint32_t> numbers;
  for (uint32_t number = 0; number < keys_.size(); ++number) {
    if (std::find(keys.begin(), keys.end(), keys_[number]) != keys.end()) numbers.push_back(number);
  }
  return numbers;
}

uint32_t QueuePicture::CountBefore(uint32_t index, const std::vector<uint32_t>& keys) const {
  uint32_t count = 0;
  for (const uint32_t key : keys) {
    const std::vector<uint32_t>& of_key = indexes_[key];
    count += static_cast<uint32_t>(std::lower_bound(of_key.begin(), of_key.end(), index) -
                                   of_key.begin());
  }
  return count;
}

}  // namespace torchlap::run
