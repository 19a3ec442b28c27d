#include "server/rpc/calls_in_progress.h"

#include <fmt/format.h>

namespace torchlap::rpc {

absl::StatusOr<std::unique_ptr<CallsInProgress::Call>> CallsInProgress::Begin(
    size_t request_bytes) {
  {
    MutexLock lock(&mutex_);
    if (held_.calls >= kMostCalls) {
      return absl::ResourceExhaustedError(
          fmt::format("too many calls of {} at once ({})", whose_, kMostCalls));
    }
    ++held_.calls;
  }
  std::unique_ptr<Call> call(new Call(this));
  if (absl::Status status = call->HoldRequest(request_bytes); !status.ok()) return status;
  return call;
}

CallsInProgress::Call::~Call() {
  MutexLock lock(&calls_->mutex_);
  --calls_->held_.calls;
  calls_->held_.request_bytes -= request_bytes_;
  calls_->held_.unread_bytes -= answer_bytes_;
}

absl::Status CallsInProgress::Call::HoldRequest(size_t bytes) {
  MutexLock lock(&calls_->mutex_);
  Amount& held = calls_->held_;
  const size_t all = held.request_bytes - request_bytes_ + bytes;
  if (bytes > request_bytes_ && all > kMostRequestBytes) return calls_->TooManyBytes(all);
  held.request_bytes = all;
  request_bytes_ = bytes;
  return absl::OkStatus();
}

absl::Status CallsInProgress::TooManyBytes(size_t bytes) const {
  return absl::ResourceExhaustedError(
      fmt::format("requests of {} that wait or are being answered would hold {} bytes, must hold "
                  "at most {}: ask again when others have ended",
                  whose_, bytes, kMostRequestBytes));
}

void CallsInProgress::Call::HoldAnswer(size_t bytes) {
  MutexLock lock(&calls_->mutex_);
  calls_->held_.unread_bytes = calls_->held_.unread_bytes - answer_bytes_ + bytes;
  answer_bytes_ = bytes;
}

absl::Status CallsInProgress::MayAnswer(WorkThreads::Size size) const {
  const size_t reserve = size == WorkThreads::Size::kSmall ? kReserveBytes : 0;
  const size_t bytes = held().unread_bytes;
  if (bytes <= kMostUnreadBytes + reserve) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("answers that {} has not read hold {} bytes, must be at most {}: read them, or "
                  "end the programs that do not",
                  whose_, bytes, kMostUnreadBytes + reserve));
}

CallsInProgress::Amount CallsInProgress::held() const {
  MutexLock lock(&mutex_);
  return held_;
}

}  // namespace torchlap::rpc
