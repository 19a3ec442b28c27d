// The answer of a call with one message, made on a thread that may block.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <utility>

#include "server/rpc/calls_in_progress.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/waiting_request.h"

namespace torchlap::rpc {

// Made by the RPC's handler for a call that has begun, owned by gRPC until End(). The task that
// answers calls Begin() and End() once each, and does not touch it afterwards.
class UnaryAnswer final : public grpc::ServerUnaryReactor {
 public:
  UnaryAnswer(std::unique_ptr<CallsInProgress::Call> call, grpc::ByteBuffer request)
      : request_(std::move(call), std::move(request)) {}

  // The request. None: the caller has cancelled, or is gone: nobody will read the answer.
  std::optional<grpc::ByteBuffer> Begin() { return request_.Begin(); }
  CallsInProgress::Call* call() { return request_.call(); }

  void End(const absl::Status& status) { Finish(ToGrpc(status)); }

  void OnCancel() override { request_.GiveUp(); }
  void OnDone() override { delete this; }

 private:
  WaitingRequest<grpc::ByteBuffer> request_;
};

// A stream that ends before its first message.
class RefusedStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit RefusedStream(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace torchlap::rpc
