// A worker as a process: starting it, its socket, its stderr, its end.
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
#include "server/run/worker.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::run {

struct WorkerCommand {
  std::filesystem::path program;
  // The whole environment but the mark, `NAME=value`.
  std::vector<std::string> environment;
  // Of its device: what it starts is known by them (server/run/worker_family.h).
  std::vector<std::string> claim_keys;
  // Where stdout and stderr go, up to log_limit_bytes; what comes after is read and dropped.
  std::filesystem::path log_file;
  size_t log_limit_bytes = size_t{1} << 20;
};

// A worker that is a process of this host. The kernel kills it when the thread that started it
// ends. It has a process group of its own and inherits only the socket (descriptor 3) and the log
// pipe.
class WorkerProcess final : public Worker {
 public:
  // Program and reason if it cannot be started: RESOURCE_EXHAUSTED if it may be later (no
  // descriptors, processes or memory left), else UNAVAILABLE. A log file that cannot be made is
  // done without.
  static absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(const WorkerCommand& command);
  // Kills what is left of the group and reaps.
  ~WorkerProcess() override;
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  pid_t pid() const override { return pid_; }
  int events_fd() const override { return socket_.get(); }
  int log_fd() const override { return log_pipe_.get(); }
  int exit_fd() const override { return pidfd_.get(); }

  // RESOURCE_EXHAUSTED: the kernel has no room for it now.
  absl::Status Send(const v1::WorkerRequest& request) override;
  // After garbage the socket is closed.
  absl::Status ReadEvents(std::vector<v1::WorkerEvent>* events) override;
  bool was_cut_short() const override { return !socket_ && decoder_.pending_bytes() > 0; }
  // Moves what is there now from the pipe to the log file.
  void ReadLog() override;
  // At most 300 bytes.
  std::string LastLogLine() const override;

  // To the whole group.
  void Terminate() override;
  void Kill() override;
  // Kills what is left of the group, reaps the process, and ends what it started elsewhere; waits a
  // second for those.
  WorkerExit Reap() override;

 private:
  WorkerProcess(pid_t pid, FileDescriptor pidfd, FileDescriptor socket, FileDescriptor log_pipe,
                FileDescriptor log_file, const WorkerCommand& command);
  void Signal(int number);
  void KeepLog(const char* bytes, size_t count);

  const pid_t pid_;
  const std::vector<std::string> claim_keys_;
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
