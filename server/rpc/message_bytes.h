// Between messages and the bytes that gRPC carries: a request is decoded when it is known what that
// takes and its turn has come, an answer is counted before it is given away.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <cstddef>

#include "server/rpc/calls_in_progress.h"
#include "server/rpc/request_limit.h"
#include "server/rpc/unpacked_size.h"

namespace torchlap::rpc {

// gRPC keeps the request of a call until its end. It is left with an empty one, which is its own
// object and not a constant.
inline grpc::ByteBuffer TakeOut(const grpc::ByteBuffer* request) {
  grpc::ByteBuffer taken;
  taken.Swap(const_cast<grpc::ByteBuffer*>(request));
  return taken;
}

inline absl::StatusOr<size_t> UnpackedSizeOf(const google::protobuf::Descriptor& type,
                                             const RequestLimit& limit, grpc::ByteBuffer* bytes) {
  grpc::ProtoBufferReader reader(bytes);
  return UnpackedSize(type, &reader, MostUnpacked(bytes->Length(), limit));
}

// Empties `bytes`, which must be the only ones that hold the request: a ByteBuffer that is moved is
// copied, and both hold it. Counts as the call's what the request takes. INVALID_ARGUMENT as
// UnpackedSize says; RESOURCE_EXHAUSTED as CallsInProgress says.
template <typename Request>
absl::Status Unpack(grpc::ByteBuffer* bytes, const RequestLimit& limit, CallsInProgress::Call* call,
                    Request* request) {
  const size_t length = bytes->Length();
  const auto size = UnpackedSizeOf(*Request::descriptor(), limit, bytes);
  const absl::Status held = size.ok() ? call->HoldRequest(length + *size) : size.status();
  const bool is_read =
      held.ok() && grpc::SerializationTraits<Request>::Deserialize(bytes, request).ok();
  bytes->Clear();
  if (!held.ok()) return held;
  if (!is_read) {
    return absl::InvalidArgumentError(
        fmt::format("the request cannot be read, must be a {}", Request::descriptor()->name()));
  }
  return call->HoldRequest(*size);
}

template <typename Message>
grpc::ByteBuffer Packed(const Message& message) {
  grpc::ByteBuffer bytes;
  bool is_ours = false;
  grpc::SerializationTraits<Message>::Serialize(message, &bytes, &is_ours).IgnoreError();
  return bytes;
}

}  // namespace torchlap::rpc
