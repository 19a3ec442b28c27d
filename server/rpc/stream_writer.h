// Writes a server stream from a thread that may block, one message at a time.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <condition_variable>
#include <utility>

#include "proto/base/mutex.h"
#include "server/rpc/calls_in_progress.h"
#include "server/rpc/work_threads.h"

namespace torchlap::rpc {

// Made by the RPC's handler, owned by gRPC until End(). The producing task calls Write() any number
// of times and End() once, and does not touch the stream afterwards. A reader that does not read
// costs a thread that sleeps and one message; the task of another has its turn meanwhile.
template <typename Response>
class StreamWriter final : public grpc::ServerWriteReactor<Response> {
 public:
  // A reader that takes nothing for so long will not come back: `less` is left open for a while.
  static constexpr std::chrono::minutes kPatience{10};
  // So quickly a reader that reads takes a message; standing aside costs a thread's start.
  static constexpr std::chrono::milliseconds kUsual{20};

  // Of a call that has begun. `threads`: those whose task produces, posted with `share`.
  StreamWriter(WorkThreads* threads, WorkThreads::Share share, CallsInProgress* calls)
      : threads_(threads), share_(share), calls_(calls) {}

  // The caller has cancelled, or is gone.
  bool is_unwanted() TORCHLAP_EXCLUDES(mutex_) { return gone(); }

  // Blocks until gRPC has written the message, and while others have their turn. False: the caller
  // is gone, has stalled, or is one of too many that do; end the stream.
  bool Write(Response message) TORCHLAP_EXCLUDES(mutex_) {
    {
      MutexLock lock(&mutex_);
      if (gone_) return false;
      message_ = std::move(message);
      writing_ = true;
    }
    // Written through: else a message counts as taken once gRPC has queued it for the socket.
    this->StartWrite(&message_, grpc::WriteOptions().set_write_through());
    if (!Waited()) return false;
    threads_->LetOthersGo(share_);
    return !gone();
  }

  void End(const grpc::Status& status) { this->Finish(status); }

  void OnWriteDone(bool ok) override TORCHLAP_EXCLUDES(mutex_) {
    {
      MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) gone_ = true;
    }
    done_.notify_all();
  }

  void OnCancel() override { Leave(); }

  void OnDone() override {
    calls_->End();
    delete this;
  }

 private:
  bool Waited() TORCHLAP_EXCLUDES(mutex_) {
    if (WaitFor(kUsual)) return !gone();
    const WorkThreads::Aside aside(threads_, share_, [this] { Leave(); });
    return WaitFor(kPatience) && !gone();
  }

  bool gone() TORCHLAP_EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return gone_;
  }

  void Leave() TORCHLAP_EXCLUDES(mutex_) {
    {
      MutexLock lock(&mutex_);
      gone_ = true;
    }
    done_.notify_all();
  }

  // False: the message is still not taken.
  bool WaitFor(std::chrono::milliseconds time) TORCHLAP_EXCLUDES(mutex_) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    MutexLock lock(&mutex_);
    while (writing_ && !gone_) {
      if (done_.wait_until(mutex_, deadline) == std::cv_status::timeout) break;
    }
    return !writing_ || gone_;
  }

  WorkThreads* const threads_;
  const WorkThreads::Share share_;
  CallsInProgress* const calls_;
  Mutex mutex_;
  std::condition_variable_any done_;
  Response message_;  // the writer's while writing_ is false, gRPC's while it is true
  bool writing_ TORCHLAP_GUARDED_BY(mutex_) = false;
  bool gone_ TORCHLAP_GUARDED_BY(mutex_) = false;
};

}  // namespace torchlap::rpc
