#include "client/commands/sql_result.h"

#include <cstddef>
#include <utility>

namespace torchlap::client {
namespace {

constexpr size_t kPartsAhead = 8;

}  // namespace

SqlResult::SqlResult(DaemonChannel* channel, v1::QuerySqlRequest request)
    : channel_(channel), request_(std::move(request)), thread_([this] { Call(); }) {}

SqlResult::~SqlResult() {
  const MutexLock lock(&mutex_);
  is_abandoned_ = true;
  changed_.notify_all();
}

void SqlResult::Call() {
  absl::Status status =
      channel_->QuerySql(request_, [this](const v1::QuerySqlResponse& part) { return Take(part); });
  const MutexLock lock(&mutex_);
  end_ = std::move(status);
  changed_.notify_all();
}

bool SqlResult::Take(const v1::QuerySqlResponse& part) {
  const MutexLock lock(&mutex_);
  while (parts_.size() >= kPartsAhead && !is_abandoned_) changed_.wait(mutex_);
  if (is_abandoned_) return false;
  parts_.push_back(part);
  changed_.notify_all();
  return true;
}

absl::StatusOr<std::optional<v1::QuerySqlResponse>> SqlResult::Next() {
  const MutexLock lock(&mutex_);
  while (parts_.empty() && !end_) changed_.wait(mutex_);
  if (parts_.empty()) {
    if (!end_->ok()) return *end_;
    return std::optional<v1::QuerySqlResponse>();
  }
  std::optional<v1::QuerySqlResponse> part = std::move(parts_.front());
  parts_.pop_front();
  changed_.notify_all();
  return part;
}

}  // namespace torchlap::client
