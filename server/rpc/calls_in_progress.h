// What the calls of one user hold in the daemon until their answers were taken.
#pragma once

#include <absl/status/status.h>
#include <sys/types.h>

#include <cstddef>

#include "proto/base/mutex.h"

namespace torchlap::rpc {

// Thread-safe. gRPC limits the calls of a connection only where the client has agreed to it
// (SETTINGS), and the answers that nobody reads not at all; so they are counted here.
class CallsInProgress {
 public:
  static constexpr size_t kMostCalls = 1000;
  static constexpr size_t kMostUnreadBytes = size_t{64} << 20;

  // The mutex is taken at both ends of its life, too: gRPC puts them before and after the calls,
  // but in a way that no tool sees.
  explicit CallsInProgress(uid_t uid) : uid_(uid) { MutexLock lock(&mutex_); }
  ~CallsInProgress() { MutexLock lock(&mutex_); }
  CallsInProgress(const CallsInProgress&) = delete;
  CallsInProgress& operator=(const CallsInProgress&) = delete;

  // Counts one more until End(). RESOURCE_EXHAUSTED: there are kMostCalls, and it is not counted.
  absl::Status Begin() TORCHLAP_EXCLUDES(mutex_);
  void End() TORCHLAP_EXCLUDES(mutex_);

  // Before an answer is made. RESOURCE_EXHAUSTED: answers that were not read hold more than
  // kMostUnreadBytes already.
  absl::Status MayAnswer() const TORCHLAP_EXCLUDES(mutex_);
  void Answered(size_t bytes) TORCHLAP_EXCLUDES(mutex_);
  void Taken(size_t bytes) TORCHLAP_EXCLUDES(mutex_);

 private:
  const uid_t uid_;
  mutable Mutex mutex_;
  size_t calls_ TORCHLAP_GUARDED_BY(mutex_) = 0;
  size_t unread_bytes_ TORCHLAP_GUARDED_BY(mutex_) = 0;
};

}  // namespace torchlap::rpc
