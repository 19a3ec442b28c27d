// One worker process: starting it, its socket, its stderr, its end.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "proto/frames.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::run {

struct WorkerCommand {
  std::filesystem::path program;
  // The whole environment, `NAME=value`.
  std::vector<std::string> environment;
  // Where stdout and stderr go, up to log_limit_bytes; what comes after is read and dropped.
  std::filesystem::path log_file;
  size_t log_limit_bytes = size_t{1} << 20;
};

// How the process ended. Exactly one of the two is set.
struct WorkerExit {
  std::optional<int> status;
  std::optional<int> signal;
};

// Used by one thread, which must live as long as the worker (its death signal follows the thread
// that started it). The process has a process group of its own and inherits only the socket
// (descriptor 3) and the log pipe.
class WorkerProcess {
 public:
  // Program and reason if it cannot be started: RESOURCE_EXHAUSTED if it may be later (no
  // descriptors, processes or memory left), else UNAVAILABLE. A log file that cannot be made is
  // done without.
  static absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(const WorkerCommand& command);
  // Kills what is left of the group and reaps.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  pid_t pid() const { return pid_; }
  // For poll(2). socket_fd and log_fd are -1 once they reached their end.
  int socket_fd() const { return socket_.get(); }
  int log_fd() const { return log_pipe_.get(); }
  int exit_fd() const { return pidfd_.get(); }

  // Writes the request whole. UNAVAILABLE if the worker closed its end.
  absl::Status Send(const v1::WorkerRequest& request);

  // Reads what is there now, without blocking, and appends whole events. DATA_LOSS: garbage after
  // them; the socket is closed then.
  absl::Status ReadEvents(std::vector<v1::WorkerEvent>* events);
  // The socket has ended within an event.
  bool was_cut_short() const { return !socket_ && decoder_.pending_bytes() > 0; }
  // Moves what is there now from the pipe to the log file.
  void ReadLog();
  // The last line that is not blank, at most 300 bytes, printable; empty if there was none.
  std::string LastLogLine() const;

  // To the whole group.
  void Terminate();
  void Kill();
  // After exit_fd became readable (waits for it otherwise): kills what is left of the group, then
  // reaps the process.
  WorkerExit Reap();

 private:
  WorkerProcess(pid_t pid, FileDescriptor pidfd, FileDescriptor socket, FileDescriptor log_pipe,
                FileDescriptor log_file, size_t log_limit_bytes);
  void Signal(int number);
  void KeepLog(const char* bytes, size_t count);

  const pid_t pid_;
  FileDescriptor pidfd_;
  FileDescriptor socket_;
  FileDescriptor log_pipe_;
  FileDescriptor log_file_;
  size_t log_room_bytes_;
  std::string log_tail_;
  FrameDecoder decoder_;
  bool reaped_ = false;
};

}  // namespace torchlap::run
