// Writes a server stream from a thread that may block, one message at a time.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <utility>

#include "proto/base/mutex.h"
#include "server/rpc/calls_in_progress.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/waiting_request.h"
#include "server/rpc/work_threads.h"

namespace torchlap::rpc {

// Made by the RPC's handler, owned by gRPC until End(). The producing task calls Begin() once,
// Write() any number of times and End() once, and does not touch the stream afterwards. A reader
// that does not read costs a thread that sleeps and one message; the task of another has its turn
// meanwhile.
class StreamWriter final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // A reader that takes nothing for so long will not come back: `less` is left open for a while.
  static constexpr std::chrono::minutes kPatience{10};
  // So quickly a reader that reads takes a message; standing aside costs a thread's start.
  static constexpr std::chrono::milliseconds kUsual{20};

  // Of a call that has begun: `call` is one of `calls`. `threads`: those whose task produces,
  // posted with `share`.
  StreamWriter(grpc::CallbackServerContext* context, WorkThreads* threads, WorkThreads::Share share,
               const CallsInProgress* calls, std::unique_ptr<CallsInProgress::Call> call,
               grpc::ByteBuffer request)
      : context_(context),
        threads_(threads),
        share_(share),
        calls_(calls),
        request_(std::move(call), std::move(request)) {}

  // The request. None: the caller has cancelled, or is gone.
  std::optional<grpc::ByteBuffer> Begin() { return request_.Begin(); }
  CallsInProgress::Call* call() { return request_.call(); }

  // Blocks until gRPC has written the message, and while others have their turn. False: the caller
  // is gone, has stalled, or is one of too many that do, or has too much unread; end the stream.
  bool Write(grpc::ByteBuffer message) TORCHLAP_EXCLUDES(mutex_) {
    if (absl::Status full = calls_->MayAnswer(WorkThreads::Size::kLarge); !full.ok()) {
      full_ = full;
      return false;
    }
    {
      MutexLock lock(&mutex_);
      if (gone_) return false;
      message_.Swap(&message);
      writing_ = true;
    }
    call()->HoldAnswer(message_.Length());
    // Written through: else a message counts as taken once gRPC has queued it for the socket.
    StartWrite(&message_, grpc::WriteOptions().set_write_through());
    if (!Waited()) return GiveUp();
    threads_->LetOthersGo(share_);
    return !gone();
  }

  // With `status`, or what kept it from its end.
  void End(const absl::Status& status) { Finish(ToGrpc(full_.ok() ? status : full_)); }

  void OnWriteDone(bool ok) override TORCHLAP_EXCLUDES(mutex_) {
    {
      MutexLock lock(&mutex_);
      message_.Clear();
      writing_ = false;
      if (!ok) gone_ = true;
      call()->HoldAnswer(0);
    }
    done_.notify_all();
  }

  void OnCancel() override {
    request_.GiveUp();
    Leave();
  }

  void OnDone() override { delete this; }

 private:
  bool Waited() TORCHLAP_EXCLUDES(mutex_) {
    if (WaitFor(kUsual)) return !gone();
    const WorkThreads::Aside aside(threads_, share_, [this] { Leave(); });
    return WaitFor(kPatience) && !gone();
  }

  // Its message would wait in gRPC for as long as the client stays: the call is reset. Not where it
  // is decided, as gRPC may call back at once.
  bool GiveUp() TORCHLAP_EXCLUDES(mutex_) {
    if (IsWriting()) context_->TryCancel();
    return false;
  }

  bool IsWriting() TORCHLAP_EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return writing_;
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

  grpc::CallbackServerContext* const context_;
  WorkThreads* const threads_;
  const WorkThreads::Share share_;
  const CallsInProgress* const calls_;
  WaitingRequest<grpc::ByteBuffer> request_;
  absl::Status full_;  // the task's
  Mutex mutex_;
  std::condition_variable_any done_;
  grpc::ByteBuffer message_;  // the task's while writing_ is false, gRPC's while it is true
  bool writing_ TORCHLAP_GUARDED_BY(mutex_) = false;
  bool gone_ TORCHLAP_GUARDED_BY(mutex_) = false;
};

}  // namespace torchlap::rpc
