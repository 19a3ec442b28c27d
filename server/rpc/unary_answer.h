// The answer of a call with one message, made on a thread that may block.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>

#include "server/rpc/calls_in_progress.h"
#include "server/rpc/grpc_status.h"

namespace torchlap::rpc {

// Made by the RPC's handler for a call that has begun, owned by gRPC until End(). The task that
// answers calls End() once and does not touch it afterwards.
class UnaryAnswer final : public grpc::ServerUnaryReactor {
 public:
  explicit UnaryAnswer(CallsInProgress* calls) : calls_(calls) {}

  // The caller has cancelled, or is gone: nobody will read the answer.
  bool is_unwanted() const { return is_unwanted_; }

  void End(const absl::Status& status, size_t answer_bytes) {
    bytes_ = answer_bytes;
    calls_->Answered(answer_bytes);
    Finish(ToGrpc(status));
  }

  void OnCancel() override { is_unwanted_ = true; }
  void OnDone() override {
    calls_->Taken(bytes_);
    calls_->End();
    delete this;
  }

 private:
  CallsInProgress* const calls_;
  std::atomic<bool> is_unwanted_ = false;
  std::atomic<size_t> bytes_ = 0;
};

// A stream that ends before its first message.
template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace torchlap::rpc
