#include "tests/server/worker/worker_program.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace torchlap::worker {
namespace {

[[noreturn]] void ThrowSystemError(const char* what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

void WaitReadable(int descriptor, std::chrono::milliseconds patience) {
  pollfd waited{descriptor, POLLIN, 0};
  const int ready = poll(&waited, 1, static_cast<int>(patience.count()));
  if (ready < 0) ThrowSystemError("poll", errno);
  if (ready == 0) throw std::runtime_error("the worker did not answer in time");
}

}  // namespace

WorkerProgram::WorkerProgram(const std::string& program,
                             const std::vector<std::string>& environment) {
  std::array<int, 2> pair;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    ThrowSystemError("socketpair", errno);
  }
  socket_ = pair[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Were the socket descriptor 3 already, dup2 onto itself clears close-on-exec too (glibc sees to
  // that).
  posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
  std::vector<std::string> strings = environment;
  std::vector<char*> variables;
  for (std::string& variable : strings) variables.push_back(variable.data());
  variables.push_back(nullptr);
  std::string path = program;
  std::array<char*, 2> arguments = {path.data(), nullptr};
  const int error =
      posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  close(pair[1]);
  if (error != 0) ThrowSystemError(program.c_str(), error);
}

WorkerProgram::~WorkerProgram() {
  CloseSocket();
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void WorkerProgram::Send(const v1::WorkerRequest& request) { SendBytes(EncodeFrame(request)); }

void WorkerProgram::SendBytes(const std::string& bytes) {
  const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(bytes.size())) ThrowSystemError("send", errno);
}

std::optional<v1::WorkerEvent> WorkerProgram::Next() {
  v1::WorkerEvent event;
  std::array<char, 65536> buffer;
  while (true) {
    const FrameDecoder::Result result = decoder_.Next(&event);
    if (result == FrameDecoder::Result::kFrame) return event;
    if (result == FrameDecoder::Result::kGarbage) throw std::runtime_error("garbage from worker");
    WaitReadable(socket_, kPatience);
    const ssize_t count = read(socket_, buffer.data(), buffer.size());
    if (count < 0) ThrowSystemError("read", errno);
    if (count == 0) return std::nullopt;
    decoder_.Feed(std::string_view(buffer.data(), static_cast<size_t>(count)));
  }
}

std::vector<v1::WorkerEvent> WorkerProgram::Rest() {
  std::vector<v1::WorkerEvent> events;
  while (std::optional<v1::WorkerEvent> event = Next()) events.push_back(*event);
  return events;
}

void WorkerProgram::CloseSocket() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
}

int WorkerProgram::Wait() {
  const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd < 0) ThrowSystemError("pidfd_open", errno);
  try {
    WaitReadable(pidfd, kPatience);
  } catch (...) {
    close(pidfd);
    throw;
  }
  close(pidfd);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

}  // namespace torchlap::worker
