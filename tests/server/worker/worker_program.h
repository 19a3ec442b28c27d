// The real torchlap-worker as a child process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "proto/frames.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

// Started with its socket as descriptor 3, as the daemon does it. Killed and reaped by the
// destructor if it still runs. Errors of the system throw std::system_error.
class WorkerProgram {
 public:
  // `environment`: `NAME=value`, all that the worker gets.
  explicit WorkerProgram(const std::string& program,
                         const std::vector<std::string>& environment = {});
  ~WorkerProgram();
  WorkerProgram(const WorkerProgram&) = delete;
  WorkerProgram& operator=(const WorkerProgram&) = delete;

  void Send(const v1::WorkerRequest& request);
  void SendBytes(const std::string& bytes);
  // Nothing at the end of the stream. Throws std::runtime_error after `kPatience` or on garbage.
  std::optional<v1::WorkerEvent> Next();
  // All events until the stream ends.
  std::vector<v1::WorkerEvent> Rest();
  void CloseSocket();
  // What waitpid says of it. Throws std::runtime_error after `kPatience`.
  int Wait();

  pid_t pid() const { return pid_; }

 private:
  static constexpr std::chrono::seconds kPatience{120};

  int socket_ = -1;
  pid_t pid_ = -1;
  FrameDecoder decoder_;
};

}  // namespace torchlap::worker
