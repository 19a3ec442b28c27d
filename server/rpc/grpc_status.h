// absl's status codes are gRPC's; 1.51 has no public conversion.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include <string>

#include "proto/base/visible_text.h"

namespace torchlap::rpc {

// A status travels in the headers, which have a limit of their own.
inline constexpr size_t kMostMessageBytes = 2048;

// A message may repeat what a caller or the machine gave: it goes out on one line that can be
// shown.
inline grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message(status.message());
  return {static_cast<grpc::StatusCode>(status.code()), VisibleUpTo(kMostMessageBytes, message)};
}

}  // namespace torchlap::rpc
