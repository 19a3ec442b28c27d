#include "client/interrupts.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <system_error>

#include "client/exit_code.h"

namespace torchlap::client {
namespace {

sigset_t HeardSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

int ExitCodeAfter(int signal) { return signal == SIGTERM ? kExitTerminated : kExitInterrupted; }

}  // namespace

Interrupts::Interrupts() {
  const sigset_t set = HeardSignals();
  pthread_sigmask(SIG_BLOCK, &set, &old_mask_);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  end_fd_ = eventfd(0, EFD_CLOEXEC);
  if (signal_fd_ < 0 || end_fd_ < 0) {
    throw std::system_error(errno, std::generic_category(), "cannot listen for Ctrl-C");
  }
  listener_ = std::thread([this] { Listen(); });
}

Interrupts::~Interrupts() {
  const uint64_t one = 1;
  // An eventfd at 0 takes a write of 1 without fail.
  [[maybe_unused]] const ssize_t written = write(end_fd_, &one, sizeof(one));
  listener_.join();
  close(signal_fd_);
  close(end_fd_);
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

int Interrupts::exit_code() const { return ExitCodeAfter(terminated_ ? SIGTERM : SIGINT); }

bool Interrupts::WaitForSecond(std::chrono::milliseconds patience) { return WaitFor(2, patience); }

void Interrupts::Pause(std::chrono::milliseconds duration) { WaitFor(1, duration); }

bool Interrupts::WaitFor(int count, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const MutexLock lock(&mutex_);
  while (count_ < count && !terminated_) {
    if (changed_.wait_until(mutex_, deadline) == std::cv_status::timeout) break;
  }
  return count_ >= count;
}

void Interrupts::Listen() {
  pollfd waits[] = {{signal_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}};
  while (true) {
    if (poll(waits, 2, -1) < 0) continue;  // EINTR
    if (waits[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    if (ends_process_) std::_Exit(ExitCodeAfter(signal));
    Count(signal);
    stop_.request_stop();
  }
}

void Interrupts::Count(int signal) {
  {
    const MutexLock lock(&mutex_);
    if (signal == SIGTERM) {
      terminated_ = true;
    } else {
      ++count_;
    }
  }
  changed_.notify_all();
}

}  // namespace torchlap::client
