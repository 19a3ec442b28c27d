// The request of a call that waits for its turn.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "proto/base/mutex.h"
#include "server/rpc/calls_in_progress.h"

namespace torchlap::rpc {

// Thread-safe. `Bytes`: what holds the request before it is decoded.
template <typename Bytes>
class WaitingRequest {
 public:
  WaitingRequest(std::unique_ptr<CallsInProgress::Call> call, Bytes bytes)
      : call_(std::move(call)), bytes_(std::move(bytes)) {}
  // The mutex is taken here, too: what came before it came in an order of gRPC's alone.
  ~WaitingRequest() { MutexLock lock(&mutex_); }
  WaitingRequest(const WaitingRequest&) = delete;
  WaitingRequest& operator=(const WaitingRequest&) = delete;

  // Once, when its turn has come. None: it was given up, and is not to be begun.
  std::optional<Bytes> Begin() TORCHLAP_EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return std::exchange(bytes_, std::nullopt);
  }

  // The caller has cancelled, or is gone. A request that waits is let go at once.
  void GiveUp() TORCHLAP_EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    if (!bytes_) return;
    bytes_.reset();
    call_->LetGoOfRequest();
  }

  // What it holds.
  CallsInProgress::Call* call() { return call_.get(); }

 private:
  const std::unique_ptr<CallsInProgress::Call> call_;
  Mutex mutex_;
  std::optional<Bytes> bytes_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::rpc
