// Ctrl-C as something to wait for.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <stop_token>
#include <thread>

#include "proto/base/mutex.h"

namespace torchlap::client {

// While it lives, SIGINT ends nothing: it is counted, and the first one requests a stop. The signal
// is blocked in the thread that makes the object and in every thread that is started afterwards, so
// it must be made before gRPC starts its threads; it is read from a signalfd by a thread of its
// own. Also where SIGINT was ignored (a background process of a script): a signal that is sent on
// purpose counts. Thread-safe.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Stopped by the first SIGINT.
  std::stop_token token() const { return stop_.get_token(); }
  bool happened() const { return token().stop_requested(); }

  // Whether a second SIGINT comes within `patience` (or came already).
  bool WaitForSecond(std::chrono::milliseconds patience);

  // From now on a SIGINT ends the process at once, with the exit status of an interrupted command:
  // for what is left when nothing needs to be said any more.
  void LetThemEnd() { ends_process_ = true; }

  // Waits; cut short by the first SIGINT.
  void Pause(std::chrono::milliseconds duration);

 private:
  void Listen();
  // Whether `count` signals come within `patience`.
  bool WaitFor(int count, std::chrono::milliseconds patience);

  std::stop_source stop_;
  int signal_fd_ = -1;
  int end_fd_ = -1;  // eventfd: the listener shall end
  bool was_blocked_ = false;
  std::atomic<bool> ends_process_ = false;

  Mutex mutex_;
  std::condition_variable_any changed_;
  int count_ TORCHLAP_GUARDED_BY(mutex_) = 0;

  std::thread listener_;
};

}  // namespace torchlap::client
