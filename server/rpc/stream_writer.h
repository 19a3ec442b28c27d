// Writes a server stream from a thread that may block, one message at a time.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <condition_variable>
#include <utility>

#include "proto/base/mutex.h"

namespace torchlap::rpc {

// Made by the RPC's handler, owned by gRPC until End(). The producing thread calls Write() any
// number of times and End() once, and does not touch the stream afterwards.
template <typename Response>
class StreamWriter final : public grpc::ServerWriteReactor<Response> {
 public:
  // A reader that takes nothing for so long holds one of few threads for nothing.
  static constexpr std::chrono::seconds kPatience{60};

  // Blocks until gRPC has taken the message. False: the caller is gone or has stalled; end the
  // stream.
  bool Write(Response message) TORCHLAP_EXCLUDES(mutex_) {
    {
      MutexLock lock(&mutex_);
      if (gone_) return false;
      message_ = std::move(message);
      writing_ = true;
    }
    this->StartWrite(&message_);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    MutexLock lock(&mutex_);
    while (writing_ && !gone_) {
      if (done_.wait_until(mutex_, deadline) == std::cv_status::timeout) return false;
    }
    return !gone_;
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

  void OnCancel() override TORCHLAP_EXCLUDES(mutex_) {
    {
      MutexLock lock(&mutex_);
      gone_ = true;
    }
    done_.notify_all();
  }

  void OnDone() override { delete this; }

 private:
  Mutex mutex_;
  std::condition_variable_any done_;
  Response message_;  // the writer's while writing_ is false, gRPC's while it is true
  bool writing_ TORCHLAP_GUARDED_BY(mutex_) = false;
  bool gone_ TORCHLAP_GUARDED_BY(mutex_) = false;
};

}  // namespace torchlap::rpc
