// The answer to a query, part by part.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <condition_variable>
#include <deque>
#include <optional>
#include <thread>

#include "client/daemon_channel.h"
#include "proto/base/mutex.h"
#include "torchlap/v1/history.pb.h"

namespace torchlap::client {

// Formats want the names of columns before they ask for rows, and then take them one after another:
// so the call is made on a thread of its own, which is a few parts ahead at most. The channel is
// this object's until it is gone. Next() is for one thread.
class SqlResult {
 public:
  SqlResult(DaemonChannel* channel, v1::QuerySqlRequest request);
  // Ends the call.
  ~SqlResult();
  SqlResult(const SqlResult&) = delete;
  SqlResult& operator=(const SqlResult&) = delete;

  // The next part; nothing: there are no more. An error is the call's.
  absl::StatusOr<std::optional<v1::QuerySqlResponse>> Next();

 private:
  void Call();
  bool Take(const v1::QuerySqlResponse& part);

  DaemonChannel* const channel_;
  const v1::QuerySqlRequest request_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<v1::QuerySqlResponse> parts_ TORCHLAP_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ TORCHLAP_GUARDED_BY(mutex_);
  bool is_abandoned_ TORCHLAP_GUARDED_BY(mutex_) = false;

  std::jthread thread_;  // last: it uses the others
};

}  // namespace torchlap::client
