// What the calls of one user hold in the daemon until their answers were taken.
#pragma once

#include <absl/status/status.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>

namespace torchlap::rpc {

// Thread-safe. gRPC limits the calls of a connection only where the client has agreed to it
// (SETTINGS), and the answers that nobody reads not at all; so they are counted here.
class CallsInProgress {
 public:
  static constexpr size_t kMostCalls = 1000;
  static constexpr size_t kMostUnreadBytes = size_t{64} << 20;

  explicit CallsInProgress(uid_t uid) : uid_(uid) {}

  // Counts one more until End(). RESOURCE_EXHAUSTED: there are kMostCalls, and it is not counted.
  absl::Status Begin();
  void End() { --calls_; }

  // Before an answer is made. RESOURCE_EXHAUSTED: answers that were not read hold more than
  // kMostUnreadBytes already.
  absl::Status MayAnswer() const;
  void Answered(size_t bytes) { unread_bytes_ += bytes; }
  void Taken(size_t bytes) { unread_bytes_ -= bytes; }

 private:
  const uid_t uid_;
  std::atomic<size_t> calls_ = 0;
  std::atomic<size_t> unread_bytes_ = 0;
};

}  // namespace torchlap::rpc
