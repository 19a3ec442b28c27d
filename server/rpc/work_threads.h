// A few threads for work that blocks (storage), so that gRPC's own threads never do.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <thread>

#include "proto/base/mutex.h"

namespace torchlap::rpc {

// Thread-safe. Tasks start in the order in which they were posted.
class WorkThreads {
 public:
  // A task that waits for somebody outside stands aside: another thread works in its place until
  // the end of this object, so that whoever waits costs a thread that sleeps, and nobody's turn.
  class Aside {
   public:
    // In a task of `threads`. `give_up` is called, from any thread and at most once, when more than
    // kMostAside stand aside and this one has done so for the longest; it must not block.
    Aside(WorkThreads* threads, std::function<void()> give_up);
    ~Aside();
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

   private:
    friend class WorkThreads;
    WorkThreads* const threads_;
    const std::function<void()> give_up_;
    bool is_told_ = false;  // guarded by the threads' mutex
  };
  static constexpr size_t kMostAside = 256;

  explicit WorkThreads(size_t threads);
  // Runs what was posted, then joins.
  ~WorkThreads();

  void Post(std::function<void()> task) TORCHLAP_EXCLUDES(mutex_);

 private:
  void StandAside(Aside* task) TORCHLAP_EXCLUDES(mutex_);
  void ComeBack(Aside* task) TORCHLAP_EXCLUDES(mutex_);
  void Work() TORCHLAP_EXCLUDES(mutex_);
  void AddThread() TORCHLAP_REQUIRES(mutex_);
  bool IsTooMany() const TORCHLAP_REQUIRES(mutex_);
  // The calling thread's handle, to be joined by whoever finds it.
  void Retire() TORCHLAP_REQUIRES(mutex_);
  void JoinRetired() TORCHLAP_EXCLUDES(mutex_);

  const size_t wanted_;
  Mutex mutex_;
  std::condition_variable_any posted_;
  std::condition_variable_any retired_one_;
  std::deque<std::function<void()>> tasks_ TORCHLAP_GUARDED_BY(mutex_);
  std::list<Aside*> aside_ TORCHLAP_GUARDED_BY(mutex_);  // the longest first
  bool stopping_ TORCHLAP_GUARDED_BY(mutex_) = false;
  std::list<std::thread> threads_ TORCHLAP_GUARDED_BY(mutex_);
  std::list<std::thread> retired_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::rpc
