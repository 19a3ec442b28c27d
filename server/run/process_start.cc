#include "server/run/process_start.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "proto/base/file_descriptor.h"
#include "server/host/descriptor_limit.h"

namespace torchlap::run {
namespace {

constexpr int kSocketFd = 3;
constexpr int kErrorFd = 4;

// Made before there is a child, which may not allocate.
struct ChildPlan {
  pid_t parent = 0;
  const char* program = nullptr;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  int socket = -1;
  int log = -1;
  int error = -1;  // where what failed is written to
};

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Between vfork and exec nothing but system calls: memory is the parent's.
// NOLINTBEGIN(clang-analyzer-unix.Vfork)

[[noreturn]] void GiveUp(int error_fd) {
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(error_fd, &error, sizeof error);
  ::_exit(127);
}

// A parent that has died before sends no signal.
void TieToParent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
}

void ResetSignals() {
  struct sigaction usual = {};
  usual.sa_handler = SIG_DFL;
  // Those that cannot be set are the usual ones already.
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &usual, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool SetDescriptors(const ChildPlan& plan) {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || (nothing != STDIN_FILENO && ::dup2(nothing, STDIN_FILENO) < 0)) return false;
  if (nothing == STDIN_FILENO && ::fcntl(nothing, F_SETFD, 0) < 0) return false;
  return ::dup2(plan.log, STDOUT_FILENO) >= 0 && ::dup2(plan.log, STDERR_FILENO) >= 0 &&
         ::dup2(plan.socket, kSocketFd) >= 0;
}

[[noreturn]] void BecomeProgram(const ChildPlan& plan) {
  TieToParent(plan.parent);
  ::setpgid(0, 0);
  if (!SetDescriptors(plan)) GiveUp(plan.error);
  if (plan.error != kErrorFd && ::dup3(plan.error, kErrorFd, O_CLOEXEC) < 0) GiveUp(plan.error);
  ::closefrom(kErrorFd + 1);
  ResetSignals();
  host::RestoreDescriptorLimit();
  ::execve(plan.program, plan.arguments.data(), plan.environment.data());
  GiveUp(kErrorFd);
}

// Not posix_spawn, which can tell nobody to die with its parent. Not fork, which copies the tables
// of the daemon's memory.
[[gnu::noinline]] pid_t Fork(const ChildPlan& plan) {
  const pid_t pid = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork)
  if (pid == 0) BecomeProgram(plan);
  return pid;
}

// NOLINTEND(clang-analyzer-unix.Vfork)

// No handler may run in the child, on memory that is the parent's.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_ = {};
};

// 0: the program runs, which has closed the other end.
int ReadError(int fd) {
  int error = 0;
  ssize_t count = 0;
  do {
    count = ::read(fd, &error, sizeof error);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof error) ? error : 0;
}

}  // namespace

int StartProcess(const ProcessStart& start, pid_t* pid) {
  std::array<int, 2> pipe;
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return errno;
  const FileDescriptor error_read(pipe[0]);
  // Above those of the child, so that no dup2 there overwrites it.
  FileDescriptor error_write(::fcntl(pipe[1], F_DUPFD_CLOEXEC, kErrorFd));
  const int error = errno;
  ::close(pipe[1]);
  if (!error_write) return error;
  const std::vector<std::string> arguments = {start.program.string()};
  const ChildPlan plan = {::getpid(),          start.program.c_str(),
                          Pointers(arguments), Pointers(start.environment),
                          start.socket,        start.log,
                          error_write.get()};
  {
    const SignalsBlocked blocked;
    *pid = Fork(plan);
  }
  if (*pid < 0) return errno;
  error_write.reset();
  const int failed = ReadError(error_read.get());
  if (failed != 0) ::waitpid(*pid, nullptr, 0);
  return failed;
}

bool IsLackOfRoom(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case EDQUOT:
    case EUSERS:
      return true;
    default:
      return false;
  }
}

}  // namespace torchlap::run
