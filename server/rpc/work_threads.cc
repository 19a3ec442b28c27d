#include "server/rpc/work_threads.h"

#include <utility>

namespace torchlap::rpc {

WorkThreads::WorkThreads(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

WorkThreads::~WorkThreads() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  posted_.notify_all();
}

void WorkThreads::Post(std::function<void()> task) {
  {
    MutexLock lock(&mutex_);
    tasks_.push_back(std::move(task));
  }
  posted_.notify_one();
}

void WorkThreads::Work() {
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(&mutex_);
      while (tasks_.empty() && !stopping_) posted_.wait(mutex_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace torchlap::rpc
