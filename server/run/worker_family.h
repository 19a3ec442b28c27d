// The workers of this daemon as processes, and what they start: whoever leaves a worker's process
// group, or its session, is found and ended all the same.
//
// Two ways lead to them. A worker is given a mark in its environment, which its children inherit;
// and orphans become children of the daemon (a subreaper), whatever they made of their environment.
// The second way ends with the daemon; the mark tells the next one whom it has to wait for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "proto/base/mutex.h"
#include "server/run/process_start.h"

namespace torchlap::run {

// The entry of a worker's environment that names what it works on: the claim keys of its device.
// Only the claim's holder starts workers there, so that of two with one key the older is a
// leftover.
std::string MarkOf(const std::vector<std::string>& claim_keys);

// Processes of this account, this one aside, whose mark has one of the keys, however they got it.
// Empty for no keys.
std::vector<pid_t> MarkedProcesses(const std::vector<std::string>& claim_keys);

// Thread-safe.
class WorkerFamily {
 public:
  // Of this process: children are the process's, so there is one of it.
  static WorkerFamily& Own();

  // As StartProcess; the child is one of the family's workers until Reap.
  int Start(const ProcessStart& start, pid_t* pid) TORCHLAP_EXCLUDES(mutex_);
  // Of a worker that has ended: its status, as of waitpid.
  int Reap(pid_t pid) TORCHLAP_EXCLUDES(mutex_);

  // Ends who carries the mark, and orphans without a mark of their own: whatever else this process
  // starts must not be started while it has workers. Returns who is left when the patience is over,
  // as in an uninterruptible sleep. Workers of earlier daemons that are dying already are waited
  // for, too; their device cannot be told any more. Where nobody is there it does not wait.
  std::vector<pid_t> EndStrays(const std::vector<std::string>& claim_keys,
                               std::chrono::milliseconds patience) TORCHLAP_EXCLUDES(mutex_);

 private:
  WorkerFamily() = default;
  std::vector<pid_t> KillOrphans() TORCHLAP_EXCLUDES(mutex_);
  // Of earlier daemons: those that are about to be gone.
  std::vector<pid_t> DyingWorkers() TORCHLAP_EXCLUDES(mutex_);

  Mutex mutex_;
  std::set<pid_t> workers_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::run
