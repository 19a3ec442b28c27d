// std::mutex with the annotations that clang's -Wthread-safety checks
// (tests/check_thread_safety.sh).
#pragma once

#include <mutex>

#if defined(__clang__)
#define TORCHLAP_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define TORCHLAP_THREAD_ANNOTATION(x)
#endif

// absl has macros of the short names.
#define TORCHLAP_GUARDED_BY(x) TORCHLAP_THREAD_ANNOTATION(guarded_by(x))
#define TORCHLAP_REQUIRES(...) TORCHLAP_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define TORCHLAP_EXCLUDES(...) TORCHLAP_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace torchlap {

class TORCHLAP_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void lock() TORCHLAP_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() TORCHLAP_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class TORCHLAP_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) TORCHLAP_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_->lock();
  }
  ~MutexLock() TORCHLAP_THREAD_ANNOTATION(release_capability()) { mutex_->unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

}  // namespace torchlap
