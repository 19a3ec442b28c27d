// A few threads for work that blocks (storage), so that gRPC's own threads never do.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "proto/base/mutex.h"

namespace torchlap::rpc {

// Thread-safe. Tasks start in the order in which they were posted.
class WorkThreads {
 public:
  explicit WorkThreads(int threads);
  // Runs what was posted, then joins.
  ~WorkThreads();

  void Post(std::function<void()> task) TORCHLAP_EXCLUDES(mutex_);

 private:
  void Work() TORCHLAP_EXCLUDES(mutex_);

  Mutex mutex_;
  std::condition_variable_any posted_;
  std::deque<std::function<void()>> tasks_ TORCHLAP_GUARDED_BY(mutex_);
  bool stopping_ TORCHLAP_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace torchlap::rpc
