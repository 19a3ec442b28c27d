#include "server/host/program_answer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "proto/base/file_descriptor.h"

namespace torchlap::host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostBytes = size_t{1} << 20;

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// 0: it could not be started. In a group of its own, so that a script dies with what it started.
pid_t Start(const Question& question, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, question.command.front().c_str(), &actions, &attributes,
                     Pointers(question.command).data(), Pointers(question.environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : 0;
}

// Whether there was something to read before the time was over.
bool WaitFor(int fd, Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waiting = {fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return false;
  }
}

// False: not at its end when the time was over, or too long.
bool ReadToEnd(int fd, Clock::time_point until, std::string* text) {
  std::array<char, 4096> buffer;
  while (text->size() <= kMostBytes && WaitFor(fd, until)) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return true;
    if (count > 0) text->append(buffer.data(), static_cast<size_t>(count));
    if (count < 0 && errno != EINTR) return false;
  }
  return false;
}

// Whether it ended by itself, in time and with 0. What is late is killed.
bool End(pid_t pid, Clock::time_point until) {
  // glibc 2.36 declares pidfd_open without C linkage.
  const FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const bool is_over = WaitFor(process.get(), until);
  ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return is_over && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

std::optional<std::string> Ask(const Question& question) {
  std::array<int, 2> pipe;
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return std::nullopt;
  const FileDescriptor reading(pipe[0]);
  FileDescriptor writing(pipe[1]);
  const pid_t pid = Start(question, writing.get());
  writing.reset();
  if (pid == 0) return std::nullopt;
  const Clock::time_point until = Clock::now() + question.deadline;
  std::string text;
  const bool is_whole = ReadToEnd(reading.get(), until, &text);
  // What was not read whole is not waited for.
  const bool is_good = End(pid, is_whole ? until : Clock::now());
  return is_whole && is_good ? std::optional(text) : std::nullopt;
}

}  // namespace torchlap::host
