#include "tests/proto/base/settable_clock.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "proto/base/file_descriptor.h"

namespace torchlap {
namespace {

constexpr int64_t kEpochNs = 1'700'000'000'000'000'000;
constexpr std::chrono::seconds kPatience{10};

void Notify(int fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
}

void Drain(int fd) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd, &count, sizeof count);
}

}  // namespace

int64_t SettableClock::MonotonicNs() const {
  const std::lock_guard lock(mutex_);
  return now_ns_;
}

int64_t SettableClock::WallNs() const { return kEpochNs + MonotonicNs(); }

int SettableClock::Poll(pollfd* descriptors, size_t count, int64_t deadline_ns) const {
  const FileDescriptor set(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_id_++;
    sleepers_[id] = {set.get(), deadline_ns, false};
  }
  std::vector<pollfd> all(descriptors, descriptors + count);
  all.push_back({set.get(), POLLIN, 0});
  int ready = 0;
  for (;;) {
    ready = ::poll(all.data(), count, 0);
    {
      const std::lock_guard lock(mutex_);
      if (ready > 0 || now_ns_ >= deadline_ns) break;
      sleepers_[id].asleep = true;
      ++sleeps_;
      changed_.notify_all();
    }
    ::poll(all.data(), all.size(), -1);
    Drain(set.get());
    const std::lock_guard lock(mutex_);
    sleepers_[id].asleep = false;
  }
  std::copy_n(all.begin(), count, descriptors);
  const std::lock_guard lock(mutex_);
  sleepers_.erase(id);
  return std::max(0, ready);
}

void SettableClock::Advance(int64_t ns) {
  const std::lock_guard lock(mutex_);
  now_ns_ += ns;
  for (auto& [id, sleeper] : sleepers_) {
    sleeper.asleep = false;
    Notify(sleeper.wake_fd);
  }
}

bool SettableClock::AwaitSleepUntil(int64_t deadline_ns) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    return std::any_of(sleepers_.begin(), sleepers_.end(), [&](const auto& entry) {
      return entry.second.asleep && entry.second.deadline_ns == deadline_ns;
    });
  });
}

bool SettableClock::AwaitSleeps(uint64_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return sleeps_ >= count; });
}

uint64_t SettableClock::sleeps() const {
  const std::lock_guard lock(mutex_);
  return sleeps_;
}

}  // namespace torchlap
