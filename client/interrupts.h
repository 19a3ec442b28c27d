// Ctrl-C and SIGTERM as something to wait for.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <stop_token>
#include <thread>

#include "proto/base/mutex.h"

namespace torchlap::client {

// While it lives, SIGINT and SIGTERM end nothing: the first one requests a stop, SIGINTs are
// counted. The signals are blocked in the thread that makes the object and in every thread that is
// started afterwards, so it must be made before gRPC starts its threads; they are read from a
// signalfd by a thread of its own. Also where SIGINT was ignored (a background process of a
// script): a signal that is sent on purpose counts. Thread-safe.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Stopped by the first of the signals.
  std::stop_token token() const { return stop_.get_token(); }
  bool happened() const { return token().stop_requested(); }
  // Whether a SIGTERM came. Nobody sits there who could press Ctrl-C once more.
  bool was_terminated() const { return terminated_; }
  // Of a command that the signals ended: 130, 143 after SIGTERM.
  int exit_code() const;

  // Whether a second SIGINT comes within `patience` (or came already). Cut short by SIGTERM.
  bool WaitForSecond(std::chrono::milliseconds patience);

  // From now on a signal ends the process at once, with the exit status of an interrupted command:
  // for what is left when nothing needs to be said any more.
  void LetThemEnd() { ends_process_ = true; }

  // Waits; cut short by the first signal.
  void Pause(std::chrono::milliseconds duration);

 private:
  void Listen();
  void Count(int signal);
  // Whether `count` SIGINTs come within `patience`.
  bool WaitFor(int count, std::chrono::milliseconds patience);

  std::stop_source stop_;
  int signal_fd_ = -1;
  int end_fd_ = -1;  // eventfd: the listener shall end
  sigset_t old_mask_{};
  std::atomic<bool> ends_process_ = false;
  std::atomic<bool> terminated_ = false;

  Mutex mutex_;
  std::condition_variable_any changed_;
  int count_ TORCHLAP_GUARDED_BY(mutex_) = 0;  // of SIGINTs

  std::thread listener_;
};

}  // namespace torchlap::client
