#include "server/rpc/calls_in_progress.h"

#include <fmt/format.h>

namespace torchlap::rpc {

absl::Status CallsInProgress::Begin() {
  if (++calls_ <= kMostCalls) return absl::OkStatus();
  --calls_;
  return absl::ResourceExhaustedError(
      fmt::format("too many calls of uid {} at once ({})", uid_, kMostCalls));
}

absl::Status CallsInProgress::MayAnswer() const {
  const size_t bytes = unread_bytes_;
  if (bytes <= kMostUnreadBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("answers that uid {} has not read hold {} bytes, must be at most {}", uid_, bytes,
                  kMostUnreadBytes));
}

}  // namespace torchlap::rpc
