#include "server/run/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "server/host/own_file.h"
#include "server/run/process_start.h"
#include "server/run/worker_family.h"

namespace torchlap::run {
namespace {

constexpr int kWorkerSocketFd = 3;
constexpr std::chrono::milliseconds kPatienceWithStrays{1000};
constexpr size_t kReadBytes = size_t{64} << 10;
// A flood must not keep the dispatcher from its deadline: at most this much is taken in one go.
constexpr size_t kReadAtOnceBytes = size_t{1} << 20;
constexpr size_t kTailBytes = 4096;
constexpr size_t kLineBytes = 300;

absl::Status CannotStart(const WorkerCommand& command, const char* what, int error) {
  const std::string line = fmt::format("cannot start the worker {}: {}: {}",
                                       command.program.string(), what, std::strerror(error));
  return IsLackOfRoom(error) ? absl::ResourceExhaustedError(line) : absl::UnavailableError(line);
}

void SetNonBlocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Descriptors above the worker's own, so that dup2 in the child never overwrites one that is still
// needed. Empty, with errno: there is no room for another one.
FileDescriptor AboveTheWorkers(int fd) {
  FileDescriptor from(fd);
  return FileDescriptor(::fcntl(from.get(), F_DUPFD_CLOEXEC, kWorkerSocketFd + 1));
}

std::vector<std::string> EnvironmentOf(const WorkerCommand& command) {
  std::vector<std::string> environment = command.environment;
  if (!command.claim_keys.empty()) environment.push_back(MarkOf(command.claim_keys));
  return environment;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(const WorkerCommand& command) {
  std::array<int, 2> sockets;
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return CannotStart(command, "socketpair", errno);
  }
  FileDescriptor ours(sockets[0]);
  FileDescriptor theirs = AboveTheWorkers(sockets[1]);
  if (!theirs) return CannotStart(command, "fcntl", errno);
  std::array<int, 2> pipe;
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return CannotStart(command, "pipe", errno);
  FileDescriptor log_read(pipe[0]);
  FileDescriptor log_write = AboveTheWorkers(pipe[1]);
  if (!log_write) return CannotStart(command, "fcntl", errno);
  // Without one (a full disk) the run goes on: a log is not worth a measurement.
  auto log_file = host::OpenOwnFile(command.log_file, O_WRONLY | O_CREAT | O_TRUNC, "log");
  SetNonBlocking(ours.get());
  SetNonBlocking(log_read.get());

  WorkerFamily& family = WorkerFamily::Own();
  pid_t pid = 0;
  const ProcessStart start = {command.program, EnvironmentOf(command), theirs.get(),
                              log_write.get()};
  if (const int error = family.Start(start, &pid); error != 0) {
    return CannotStart(command, "spawn", error);
  }
  // glibc 2.36 declares pidfd_open without C linkage.
  FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int error = errno;
    ::kill(-pid, SIGKILL);
    family.Reap(pid);
    return CannotStart(command, "pidfd_open", error);
  }
  return std::unique_ptr<WorkerProcess>(
      new WorkerProcess(pid, std::move(pidfd), std::move(ours), std::move(log_read),
                        log_file.ok() ? *std::move(log_file) : FileDescriptor(), command));
}

WorkerProcess::WorkerProcess(pid_t pid, FileDescriptor pidfd, FileDescriptor socket,
                             FileDescriptor log_pipe, FileDescriptor log_file,
                             const WorkerCommand& command)
    : pid_(pid),
      claim_keys_(command.claim_keys),
      pidfd_(std::move(pidfd)),
      socket_(std::move(socket)),
      log_pipe_(std::move(log_pipe)),
      log_file_(std::move(log_file)),
      log_room_bytes_(command.log_limit_bytes) {}

WorkerProcess::~WorkerProcess() {
  if (reaped_) return;
  Kill();
  Reap();
}

absl::Status WorkerProcess::Send(const v1::WorkerRequest& request) {
  const std::string frame = EncodeFrame(request);
  // A request is far smaller than the socket's buffer, which is empty: a short write means that the
  // worker is gone.
  const ssize_t sent = ::send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(frame.size())) return absl::OkStatus();
  if (sent < 0 && IsLackOfRoom(errno)) {
    return absl::ResourceExhaustedError(
        fmt::format("cannot hand the worker its request: {}", std::strerror(errno)));
  }
  return absl::UnavailableError("the worker closed its socket before it took the request");
}

absl::Status WorkerProcess::ReadEvents(std::vector<v1::WorkerEvent>* events) {
  std::array<char, kReadBytes> buffer;
  for (size_t total = 0; total < kReadAtOnceBytes && socket_;) {
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      socket_.reset();
      break;
    }
    decoder_.Feed({buffer.data(), static_cast<size_t>(got)});
    total += static_cast<size_t>(got);
    for (;;) {
      v1::WorkerEvent event;
      const FrameDecoder::Result result = decoder_.Next(&event);
      if (result == FrameDecoder::Result::kNeedMore) break;
      if (result == FrameDecoder::Result::kGarbage) {
        socket_.reset();
        return absl::DataLossError("the worker sent bytes that are no event");
      }
      events->push_back(std::move(event));
    }
  }
  return absl::OkStatus();
}

void WorkerProcess::ReadLog() {
  std::array<char, kReadBytes> buffer;
  for (size_t total = 0; total < kReadAtOnceBytes && log_pipe_;) {
    const ssize_t got = ::read(log_pipe_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      log_pipe_.reset();
      break;
    }
    total += static_cast<size_t>(got);
    KeepLog(buffer.data(), static_cast<size_t>(got));
  }
}

void WorkerProcess::KeepLog(const char* bytes, size_t count) {
  log_tail_.append(bytes, count);
  if (log_tail_.size() > kTailBytes) log_tail_.erase(0, log_tail_.size() - kTailBytes);
  const size_t kept = std::min(count, log_room_bytes_);
  log_room_bytes_ -= kept;
  // A log that cannot be written (disk full) must not end the run.
  if (kept > 0 && log_file_ && ::write(log_file_.get(), bytes, kept) < 0) log_room_bytes_ = 0;
}

std::string WorkerProcess::LastLogLine() const {
  const size_t end = log_tail_.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  const size_t newline = log_tail_.find_last_of('\n', end);
  const size_t begin = newline == std::string::npos ? 0 : newline + 1;
  std::string line = log_tail_.substr(begin, std::min(end + 1 - begin, kLineBytes));
  for (char& c : line) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return line;
}

void WorkerProcess::Signal(int number) {
  if (!reaped_) ::kill(-pid_, number);
}

void WorkerProcess::Terminate() { Signal(SIGTERM); }

void WorkerProcess::Kill() { Signal(SIGKILL); }

WorkerExit WorkerProcess::Reap() {
  siginfo_t info = {};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 &&
         errno == EINTR) {
  }
  // The process is a zombie still, so its number cannot be another group's yet: end what it left
  // behind, then reap.
  ::kill(-pid_, SIGKILL);
  const int status = WorkerFamily::Own().Reap(pid_);
  reaped_ = true;
  // Who does not end now keeps the next worker from its start (LocalDevice::Start).
  WorkerFamily::Own().EndStrays(claim_keys_, kPatienceWithStrays);
  WorkerExit exit;
  if (WIFSIGNALED(status)) {
    exit.signal = WTERMSIG(status);
  } else {
    exit.status = WEXITSTATUS(status);
  }
  return exit;
}

}  // namespace torchlap::run
