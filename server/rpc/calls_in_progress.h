// What the calls of one user hold in the daemon: requests until they are let go, answers until they
// were taken.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "proto/base/mutex.h"
#include "server/rpc/work_threads.h"

namespace torchlap::rpc {

// Thread-safe. gRPC limits the calls of a connection only where the client has agreed to it
// (SETTINGS), and the answers that nobody reads not at all; so they are counted here. A call that
// the client has reset is counted, too, until the daemon has let go of it.
class CallsInProgress {
 public:
  static constexpr size_t kMostCalls = 1000;
  // The largest that other limits allow, as bytes and unpacked, and small ones beside it.
  static constexpr size_t kMostRequestBytes = size_t{160} << 20;
  static constexpr size_t kMostUnreadBytes = size_t{64} << 20;
  // For the answers of small calls alone: who is full of pages may still ask how things are, and
  // cancel.
  static constexpr size_t kReserveBytes = size_t{8} << 20;

  // `whose` is said in refusals: `uid 1001`.
  explicit CallsInProgress(std::string whose) : whose_(std::move(whose)) { MarkAnEndOfALife(); }
  ~CallsInProgress() { MarkAnEndOfALife(); }
  // At both ends of its life, and of a service whose calls are counted: gRPC puts them before and
  // after the calls, but in a way that no tool sees; taking the mutex is one that they see.
  void MarkAnEndOfALife() TORCHLAP_EXCLUDES(mutex_) { MutexLock lock(&mutex_); }
  CallsInProgress(const CallsInProgress&) = delete;
  CallsInProgress& operator=(const CallsInProgress&) = delete;

  // Of one call: what it holds counts until this is destroyed. Thread-safe; ends before what it
  // belongs to.
  class Call {
   public:
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // Its request takes so much from now on, instead of what it took before. RESOURCE_EXHAUSTED:
    // those of the user would hold more than kMostRequestBytes, and nothing has changed.
    absl::Status HoldRequest(size_t bytes);
    void LetGoOfRequest() { HoldRequest(0).IgnoreError(); }
    // So much of its answer was not taken yet.
    void HoldAnswer(size_t bytes);

   private:
    friend class CallsInProgress;
    explicit Call(CallsInProgress* calls) : calls_(calls) {}
    CallsInProgress* const calls_;
    // Guarded by the mutex of `calls_`.
    size_t request_bytes_ = 0;
    size_t answer_bytes_ = 0;
  };

  // One more, with a request of so many bytes. RESOURCE_EXHAUSTED: there are kMostCalls, or
  // requests hold too much.
  absl::StatusOr<std::unique_ptr<Call>> Begin(size_t request_bytes) TORCHLAP_EXCLUDES(mutex_);

  // Before an answer is made, or another message of a stream. RESOURCE_EXHAUSTED: answers that were
  // not read hold more than kMostUnreadBytes already, for a small call with the reserve.
  absl::Status MayAnswer(WorkThreads::Size size) const TORCHLAP_EXCLUDES(mutex_);

  struct Amount {
    size_t calls = 0;
    size_t request_bytes = 0;
    size_t unread_bytes = 0;
  };
  Amount held() const TORCHLAP_EXCLUDES(mutex_);

 private:
  absl::Status TooManyBytes(size_t bytes) const;

  const std::string whose_;
  mutable Mutex mutex_;
  Amount held_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::rpc
