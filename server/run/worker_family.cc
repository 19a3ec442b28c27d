#include "server/run/worker_family.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "proto/base/file_descriptor.h"

namespace torchlap::run {
namespace {

using SteadyClock = std::chrono::steady_clock;

FileDescriptor Open(pid_t pid) {
  // glibc 2.36 declares pidfd_open without C linkage.
  return FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// Looked at again once it is held, so that a number that was given away hits nobody else.
void Kill(const ProcessId& process) {
  const FileDescriptor held = Open(process.pid);
  const std::optional<ProcessState> now = StateOf(process.pid);
  if (!held || !now || now->id != process || !IsOfThisAccount(process.pid)) return;
  ::syscall(SYS_pidfd_send_signal, held.get(), SIGKILL, nullptr, 0);
}

void Append(const std::vector<pid_t>& more, std::vector<pid_t>* pids) {
  pids->insert(pids->end(), more.begin(), more.end());
}

// Until one of them has ended, or a moment has passed: a child that was started meanwhile is looked
// for then.
void AwaitAnEnd(const std::vector<pid_t>& pids, SteadyClock::time_point until) {
  constexpr std::chrono::milliseconds kMoment{20};
  std::vector<FileDescriptor> processes;
  std::vector<pollfd> ends;
  for (const pid_t pid : pids) {
    processes.push_back(Open(pid));
    ends.push_back({processes.back().get(), POLLIN, 0});
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
  ::poll(ends.data(), ends.size(),
         static_cast<int>(std::clamp(left, left.zero(), kMoment).count()));
}

}  // namespace

WorkerFamily& WorkerFamily::Own() {
  static WorkerFamily& family = *new WorkerFamily;
  return family;
}

int WorkerFamily::Start(const ProcessStart& start, pid_t* pid) {
  // Whom a worker leaves behind comes to this process, and not to init.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  // The lock: between its start and its entry a worker looks like an orphan.
  MutexLock lock(&mutex_);
  if (!first_start_ticks_) first_start_ticks_ = TicksSinceBoot();
  const int error = StartProcess(start, pid);
  if (error == 0) workers_.insert(*pid);
  return error;
}

int WorkerFamily::Reap(pid_t pid) {
  siginfo_t info = {};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  // The lock: its number is free as soon as it is reaped, and must not be another worker's entry.
  MutexLock lock(&mutex_);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  workers_.erase(pid);
  return status;
}

// Under the lock nobody is reaped, so that the list has who is a child at one moment.
std::vector<pid_t> WorkerFamily::Children() {
  MutexLock lock(&mutex_);
  return ChildrenOfThis();
}

WorkerFamily::Orphans WorkerFamily::EndOrphans(std::set<ProcessId>* unread) {
  Orphans orphans;
  for (const pid_t pid : Children()) {
    const std::optional<ProcessState> process = StateOf(pid);
    if (!process) orphans.may_be_more = true;
    if (!process || process->parent != ::getpid()) continue;
    // Read before the lock, as that may block. One that sleeps so is read once it is awake.
    if (SleepsUninterruptibly(*process)) continue;
    EndOrphan(*process, ProcessEnvironmentOf(pid), unread, &orphans);
  }
  return orphans;
}

void WorkerFamily::EndOrphan(const ProcessState& process, const ProcessEnvironment& environment,
                             std::set<ProcessId>* unread, Orphans* orphans) {
  MutexLock lock(&mutex_);
  if (workers_.contains(process.id.pid)) return;
  const std::optional<ProcessState> now = StateOf(process.id.pid);
  // Children are reaped under the lock alone: it is the same one, or gone.
  if (!now || now->id != process.id || now->parent != ::getpid()) {
    orphans->may_be_more = true;
    return;
  }
  if (now->state == 'Z') {
    orphans->may_be_more = ::waitpid(process.id.pid, nullptr, WNOHANG) > 0 || orphans->may_be_more;
    return;
  }
  // Older than all workers: of the program that became this one.
  if (!first_start_ticks_ || process.id.start_ticks < *first_start_ticks_) return;
  // With this daemon's mark it belongs to a worker that has its own end, or had it.
  if (environment.mark && environment.mark->owner.daemon == OwnMark().daemon) return;
  orphans->pids.push_back(process.id.pid);
  // One that has begun another program a moment ago shows none yet.
  if (environment.is_empty && unread->insert(process.id).second) return;
  ::kill(process.id.pid, SIGKILL);
}

std::vector<pid_t> WorkerFamily::WithoutWorkers(std::vector<pid_t> pids) {
  MutexLock lock(&mutex_);
  for (const pid_t pid : workers_) std::erase(pids, pid);
  return pids;
}

bool WorkerFamily::MayHaveLeftovers(const std::vector<std::string>& claim_keys) {
  MutexLock lock(&mutex_);
  return !without_leftovers_.contains(claim_keys);
}

void WorkerFamily::NoteThatNoneIsLeft(const std::vector<std::string>& claim_keys) {
  MutexLock lock(&mutex_);
  without_leftovers_.insert(claim_keys);
}

std::vector<pid_t> WorkerFamily::EndStrays(const std::vector<std::string>& claim_keys,
                                           std::chrono::milliseconds patience) {
  const SteadyClock::time_point until = SteadyClock::now() + patience;
  const bool everywhere = MayHaveLeftovers(claim_keys);
  std::set<ProcessId> unread;
  for (;;) {
    const MarkSearch::Found found =
        search_.Look(everywhere ? AllProcesses() : Children(), claim_keys);
    const Orphans orphans = EndOrphans(&unread);
    std::vector<pid_t> strays = orphans.pids;
    for (const ProcessId& process : found.marked) {
      Kill(process);
      strays.push_back(process.pid);
    }
    Append(WithoutWorkers(found.sleeping_workers), &strays);
    std::vector<pid_t> awaited = WithoutWorkers(found.dying);
    Append(WithoutWorkers(found.asleep), &awaited);
    Append(strays, &awaited);
    const bool is_late = SteadyClock::now() >= until;
    if (awaited.empty() && orphans.may_be_more && !is_late) continue;
    if (awaited.empty() && !orphans.may_be_more && !found.passed_over) {
      NoteThatNoneIsLeft(claim_keys);
    }
    if (awaited.empty() || is_late) return strays;
    AwaitAnEnd(awaited, until);
  }
}

}  // namespace torchlap::run
