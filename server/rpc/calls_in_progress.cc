#include "server/rpc/calls_in_progress.h"

#include <fmt/format.h>

namespace torchlap::rpc {

absl::Status CallsInProgress::Begin() {
  {
    MutexLock lock(&mutex_);
    if (calls_ < kMostCalls) {
      ++calls_;
      return absl::OkStatus();
    }
  }
  return absl::ResourceExhaustedError(
      fmt::format("too many calls of uid {} at once ({})", uid_, kMostCalls));
}

void CallsInProgress::End() {
  MutexLock lock(&mutex_);
  --calls_;
}

void CallsInProgress::Answered(size_t bytes) {
  MutexLock lock(&mutex_);
  unread_bytes_ += bytes;
}

void CallsInProgress::Taken(size_t bytes) {
  MutexLock lock(&mutex_);
  unread_bytes_ -= bytes;
}

absl::Status CallsInProgress::MayAnswer() const {
  MutexLock lock(&mutex_);
  const size_t bytes = unread_bytes_;
  if (bytes <= kMostUnreadBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("answers that uid {} has not read hold {} bytes, must be at most {}", uid_, bytes,
                  kMostUnreadBytes));
}

}  // namespace torchlap::rpc
