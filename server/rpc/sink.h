// Where a call that streams puts its messages. Free of gRPC.
#pragma once

#include <absl/status/status.h>

#include <functional>

namespace torchlap::rpc {

// Blocks until the message was taken. False: the reader is gone; write no more.
template <typename Response>
using Sink = std::function<bool(Response)>;

// What a stream ends with whose sink said false.
inline absl::Status ReaderGone() { return absl::CancelledError("the reader is gone"); }

}  // namespace torchlap::rpc
