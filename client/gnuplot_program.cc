#include "client/gnuplot_program.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "client/value_list.h"
#include "proto/base/file_descriptor.h"

extern char** environ;

namespace torchlap::client {
namespace {

absl::Status Failed(const std::string& why) {
  return absl::FailedPreconditionError("gnuplot failed: " + why);
}

bool IsProgram(const std::string& path) {
  struct stat information {};
  return stat(path.c_str(), &information) == 0 && S_ISREG(information.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

// A file without a name: what the program reads, or writes however much it is.
FileDescriptor Memory() { return FileDescriptor(memfd_create("torchlap-gnuplot", MFD_CLOEXEC)); }

bool WriteAll(int fd, const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(fd, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    written += static_cast<size_t>(count);
  }
  return lseek(fd, 0, SEEK_SET) == 0;
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 1 << 16> buffer;
  lseek(fd, 0, SEEK_SET);
  for (;;) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
}

struct Streams {
  FileDescriptor in = Memory();
  FileDescriptor out = Memory();
  FileDescriptor err = Memory();
};

// The pid, or what is wrong.
absl::StatusOr<pid_t> Spawn(const std::string& program, const Streams& streams) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, streams.in.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, streams.out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, streams.err.get(), STDERR_FILENO);
  std::string name = "gnuplot";
  std::string no_settings = "-d";
  std::array<char*, 3> arguments = {name.data(), no_settings.data(), nullptr};
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Failed(fmt::format("{}: {}", program, std::strerror(error)));
  return pid;
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return status;
}

// The last line that has words: above it gnuplot repeats the script.
std::string LastLine(const std::string& text) {
  std::string last = "it says nothing";
  for (const std::string& line : SplitAt('\n', text)) {
    if (line.find_first_not_of(" \t^") != std::string::npos) last = line;
  }
  return last.substr(last.find_first_not_of(' '));
}

}  // namespace

std::optional<std::string> FindGnuplot() {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : SplitAt(':', path == nullptr ? "" : path)) {
    const std::string program = folder + "/gnuplot";
    if (!folder.empty() && IsProgram(program)) return program;
  }
  return std::nullopt;
}

absl::StatusOr<std::string> RunGnuplot(const std::string& program, const std::string& script) {
  const Streams streams;
  if (streams.in.get() < 0 || streams.out.get() < 0 || streams.err.get() < 0 ||
      !WriteAll(streams.in.get(), script)) {
    return Failed(fmt::format("no memory for its script: {}", std::strerror(errno)));
  }
  const auto pid = Spawn(program, streams);
  if (!pid.ok()) return pid.status();
  const int status = WaitFor(*pid);
  std::string image = ReadAll(streams.out.get());
  if (status != 0 || image.empty()) return Failed(LastLine(ReadAll(streams.err.get())));
  return image;
}

}  // namespace torchlap::client
