// Tells watchers that something happened. Changes of state themselves are read from the database;
// only progress, which is not stored, passes through here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "proto/base/mutex.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::run {

// Thread-safe. Listeners are called on the thread of the change, under no lock of the hub's
// callers; they must not block and must not call back into the hub.
class EventHub {
 public:
  // Called with the progress, or with nothing when events were committed.
  using Listener = std::function<void(const v1::Progress*)>;

  uint64_t Add(Listener listener) TORCHLAP_EXCLUDES(mutex_);
  // Told of committed events alone. Not one for whom progress is worth telling: has_listeners()
  // does not count it.
  uint64_t AddForEvents(std::function<void()> listener) TORCHLAP_EXCLUDES(mutex_);
  // After this returns the listener is not called any more.
  void Remove(uint64_t id) TORCHLAP_EXCLUDES(mutex_);

  void EventsCommitted() TORCHLAP_EXCLUDES(mutex_);
  void Report(const v1::Progress& progress) TORCHLAP_EXCLUDES(mutex_);
  // Whether anybody wants progress.
  bool has_listeners() TORCHLAP_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  uint64_t next_id_ TORCHLAP_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Listener> listeners_ TORCHLAP_GUARDED_BY(mutex_);
  std::map<uint64_t, std::function<void()>> for_events_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::run
