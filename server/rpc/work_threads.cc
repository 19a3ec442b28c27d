#include "server/rpc/work_threads.h"

#include <algorithm>
#include <utility>

namespace torchlap::rpc {

WorkThreads::Aside::Aside(WorkThreads* threads, std::function<void()> give_up)
    : threads_(threads), give_up_(std::move(give_up)) {
  threads_->StandAside(this);
}

WorkThreads::Aside::~Aside() { threads_->ComeBack(this); }

WorkThreads::WorkThreads(size_t threads) : wanted_(threads) {
  MutexLock lock(&mutex_);
  while (threads_.size() < wanted_) AddThread();
}

WorkThreads::~WorkThreads() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    posted_.notify_all();
    while (!threads_.empty()) retired_one_.wait(mutex_);
  }
  JoinRetired();
}

void WorkThreads::Post(std::function<void()> task) {
  {
    MutexLock lock(&mutex_);
    tasks_.push_back(std::move(task));
  }
  posted_.notify_one();
}

void WorkThreads::StandAside(Aside* task) {
  JoinRetired();
  MutexLock lock(&mutex_);
  aside_.push_back(task);
  if (threads_.size() < wanted_ + aside_.size()) AddThread();
  if (aside_.size() <= kMostAside) return;
  // Those who were told are on their way.
  const auto longest = std::find_if(aside_.begin(), aside_.end(),
                                    [](const Aside* waiting) { return !waiting->is_told_; });
  (*longest)->is_told_ = true;
  (*longest)->give_up_();
}

void WorkThreads::ComeBack(Aside* task) {
  MutexLock lock(&mutex_);
  aside_.remove(task);
  // One thread more than wanted now: an idle one retires, or the next that is done.
  posted_.notify_one();
}

void WorkThreads::AddThread() {
  threads_.emplace_back([this] { Work(); });
}

bool WorkThreads::IsTooMany() const { return threads_.size() > wanted_ + aside_.size(); }

void WorkThreads::Retire() {
  const auto self = std::find_if(threads_.begin(), threads_.end(), [](const std::thread& thread) {
    return thread.get_id() == std::this_thread::get_id();
  });
  retired_.splice(retired_.end(), threads_, self);
  // Whoever was to be woken by what woke this thread.
  posted_.notify_one();
  retired_one_.notify_all();
}

void WorkThreads::JoinRetired() {
  std::list<std::thread> ended;
  {
    MutexLock lock(&mutex_);
    ended.swap(retired_);
  }
  for (std::thread& thread : ended) thread.join();
}

void WorkThreads::Work() {
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(&mutex_);
      while (tasks_.empty() && !stopping_ && !IsTooMany()) posted_.wait(mutex_);
      if (tasks_.empty() || IsTooMany()) return Retire();
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace torchlap::rpc
