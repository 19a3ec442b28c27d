#include "server/run/event_hub.h"

#include <utility>

namespace torchlap::run {

uint64_t EventHub::Add(Listener listener) {
  MutexLock lock(&mutex_);
  listeners_.emplace(next_id_, std::move(listener));
  return next_id_++;
}

uint64_t EventHub::AddForEvents(std::function<void()> listener) {
  MutexLock lock(&mutex_);
  for_events_.emplace(next_id_, std::move(listener));
  return next_id_++;
}

void EventHub::Remove(uint64_t id) {
  MutexLock lock(&mutex_);
  for_events_.erase(id);
  listeners_.erase(id);
}

void EventHub::EventsCommitted() {
  MutexLock lock(&mutex_);
  for (const auto& [id, listener] : listeners_) listener(nullptr);
  for (const auto& [id, listener] : for_events_) listener();
}

void EventHub::Report(const v1::Progress& progress) {
  MutexLock lock(&mutex_);
  for (const auto& [id, listener] : listeners_) listener(&progress);
}

bool EventHub::has_listeners() {
  MutexLock lock(&mutex_);
  return !listeners_.empty();
}

}  // namespace torchlap::run
