#include "server/daemon/detach.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "server/host/own_file.h"

namespace torchlap::daemon {
namespace {

constexpr char kAnswers[] = "answers";

absl::Status Cannot(const std::string& what) {
  return absl::UnavailableError("cannot " + what + ": " + std::strerror(errno));
}

void Tell(FileDescriptor to, const std::string& text) {
  [[maybe_unused]] const ssize_t written = ::write(to.get(), text.data(), text.size());
}

// To the end: the child says one thing, or dies.
std::string ReadAll(int from) {
  std::string text;
  char buffer[1024];
  for (;;) {
    const ssize_t count = ::read(from, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<size_t>(count));
  }
}

std::string EndOf(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                             : "exit status " + std::to_string(WEXITSTATUS(status));
}

Detached AwaitReport(pid_t pid, int from, const std::filesystem::path& log) {
  const std::string said = ReadAll(from);
  if (said == kAnswers) return {pid, ""};
  if (!said.empty()) return {pid, said};
  return {pid, "it ended before it answered (" + EndOf(pid) + "); its log is " + log.string()};
}

// A session of its own has no terminal whose end would be told to it; no folder is kept busy.
void LeaveTerminal(int log) {
  ::setsid();
  [[maybe_unused]] const int stayed = ::chdir("/");
  const FileDescriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
}

}  // namespace

void StartReport::Succeeded() { Tell(std::move(to_), kAnswers); }

void StartReport::Failed(const std::string& line) { Tell(std::move(to_), line); }

absl::StatusOr<DetachedSide> Detach(const std::filesystem::path& log) {
  const auto log_file = host::OpenOwnFile(log, O_WRONLY | O_CREAT | O_APPEND, "log");
  if (!log_file.ok()) return log_file.status();
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return Cannot("make a pipe");
  FileDescriptor from(ends[0]);
  FileDescriptor to(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return Cannot("fork");
  DetachedSide side;
  if (pid > 0) {
    to.reset();
    side.parent = AwaitReport(pid, from.get(), log);
    return side;
  }
  LeaveTerminal(log_file->get());
  side.child.emplace(std::move(to));
  return side;
}

}  // namespace torchlap::daemon
