// The workers of this daemon as processes, and what they start: whoever leaves a worker's process
// group, or its session, is found and ended all the same.
//
// Two ways lead to them. A worker is given a mark in its environment, which its children inherit,
// also into namespaces of their own (worker_mark.h); and orphans become children of the daemon (a
// subreaper), whatever they made of their environment. The second way ends with the daemon; the
// mark tells the next one whom it has to wait for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/base/mutex.h"
#include "server/run/process_start.h"
#include "server/run/worker_mark.h"

namespace torchlap::run {

// Thread-safe.
class WorkerFamily {
 public:
  // Of this process: children are the process's, so there is one of it.
  static WorkerFamily& Own();

  // As StartProcess; the child is one of the family's workers until Reap.
  int Start(const ProcessStart& start, pid_t* pid) TORCHLAP_EXCLUDES(mutex_);
  // Of a worker that has ended: its status, as of waitpid.
  int Reap(pid_t pid) TORCHLAP_EXCLUDES(mutex_);

  // Ends who carries the mark, and orphans without a mark of this daemon that are younger than its
  // first worker: whatever else this process starts must not be started while it has workers.
  // Returns who is left when the patience is over, as in an uninterruptible sleep. Workers of
  // earlier daemons that are dying already, or sleep so, are waited for, too; their device cannot
  // be told. Others that sleep so are looked at some times only. Where nobody is there it does not
  // wait. No other thread waits for what blocks here.
  //
  // Until it is known that none is left all processes are looked at, for what earlier daemons
  // left; from then on the children of this process: a stray is one, or becomes one when its parent
  // is ended. A look at all of some hundred processes takes 5 ms, and comes before every run.
  std::vector<pid_t> EndStrays(const std::vector<std::string>& claim_keys,
                               std::chrono::milliseconds patience) TORCHLAP_EXCLUDES(mutex_);

 private:
  WorkerFamily() = default;
  struct Orphans {
    std::vector<pid_t> pids;
    // A child had ended: its own may have come to this process since the list was read.
    bool may_be_more = false;
  };
  // `unread`: those that showed no environment, at this call or an earlier one.
  Orphans EndOrphans(std::set<ProcessId>* unread) TORCHLAP_EXCLUDES(mutex_);
  void EndOrphan(const ProcessState& process, const ProcessEnvironment& environment,
                 std::set<ProcessId>* unread, Orphans* orphans) TORCHLAP_EXCLUDES(mutex_);
  std::vector<pid_t> Children() TORCHLAP_EXCLUDES(mutex_);
  // Of daemons that had the device before.
  bool MayHaveLeftovers(const std::vector<std::string>& claim_keys) TORCHLAP_EXCLUDES(mutex_);
  void NoteThatNoneIsLeft(const std::vector<std::string>& claim_keys) TORCHLAP_EXCLUDES(mutex_);
  std::vector<pid_t> WithoutWorkers(std::vector<pid_t> pids) TORCHLAP_EXCLUDES(mutex_);

  MarkSearch search_;
  Mutex mutex_;
  std::set<pid_t> workers_ TORCHLAP_GUARDED_BY(mutex_);
  std::set<std::vector<std::string>> without_leftovers_ TORCHLAP_GUARDED_BY(mutex_);
  std::optional<uint64_t> first_start_ticks_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::run
