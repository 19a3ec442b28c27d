// What works on one run, as the one that follows it sees it.
#pragma once

#include <absl/status/status.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "torchlap/v1/worker.pb.h"

namespace torchlap::run {

// How it ended. Exactly one of the two is set.
struct WorkerExit {
  std::optional<int> status;
  std::optional<int> signal;
};

// Used by one thread, which must live as long as the worker. It never blocks, but in Send and Reap;
// what it has to tell is announced by descriptors for poll(2).
class Worker {
 public:
  // Ends what is left of it.
  virtual ~Worker() = default;

  // 0: it is no process of this host.
  virtual pid_t pid() const = 0;
  // Readable when there is something for ReadEvents, ReadLog and Reap. The first two are -1 once
  // they have reached their end.
  virtual int events_fd() const = 0;
  virtual int log_fd() const = 0;
  virtual int exit_fd() const = 0;

  // Hands over the whole request. UNAVAILABLE if nobody takes it any more, RESOURCE_EXHAUSTED if
  // the host has no room for it now.
  virtual absl::Status Send(const v1::WorkerRequest& request) = 0;
  // Appends the events that are there now. DATA_LOSS: garbage after them; nothing follows then.
  virtual absl::Status ReadEvents(std::vector<v1::WorkerEvent>* events) = 0;
  // The events have ended within one.
  virtual bool was_cut_short() const = 0;
  // Keeps the words that are there now.
  virtual void ReadLog() = 0;
  // The last line that is not blank, short and printable; empty if there was none.
  virtual std::string LastLogLine() const = 0;

  // Asks it to end.
  virtual void Terminate() = 0;
  // Ends it, and whatever it has started.
  virtual void Kill() = 0;
  // After exit_fd became readable (waits for it otherwise).
  virtual WorkerExit Reap() = 0;
};

}  // namespace torchlap::run
