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
#include <utility>

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

std::vector<pid_t> WorkerFamily::EndOrphans() {
  std::vector<pid_t> orphans;
  for (const pid_t pid : ChildrenOfThis()) {
    const std::optional<ProcessState> process = StateOf(pid);
    if (!process || process->parent != ::getpid()) continue;
    // Read before the lock, as that may block. One that sleeps so is read once it is awake.
    if (SleepsUninterruptibly(*process)) continue;
    if (EndOrphan(*process, ProcessEnvironmentOf(pid))) orphans.push_back(pid);
  }
  return orphans;
}

bool WorkerFamily::EndOrphan(const ProcessState& process, const ProcessEnvironment& environment) {
  MutexLock lock(&mutex_);
  if (workers_.contains(process.id.pid)) return false;
  const std::optional<ProcessState> now = StateOf(process.id.pid);
  // Children are reaped under the lock alone: it is the same one, or gone.
  if (!now || now->id != process.id || now->parent != ::getpid()) return false;
  if (now->state == 'Z') {
    ::waitpid(process.id.pid, nullptr, WNOHANG);
    return false;
  }
  // Older than all workers: of the program that became this one.
  if (!first_start_ticks_ || process.id.start_ticks < *first_start_ticks_) return false;
  // With this daemon's mark it belongs to a worker that has its own end, or had it.
  if (environment.mark && environment.mark->owner.daemon == OwnMark().daemon) return false;
  ::kill(process.id.pid, SIGKILL);
  return true;
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
  for (;;) {
    const MarkSearch::Found found =
        search_.LookAmong(everywhere ? AllProcesses() : ChildrenOfThis(), claim_keys);
    std::vector<pid_t> strays = EndOrphans();
    for (const ProcessId& process : found.marked) {
      Kill(process);
      strays.push_back(process.pid);
    }
    Append(WithoutWorkers(found.sleeping_workers), &strays);
    std::vector<pid_t> awaited = WithoutWorkers(found.dying);
    Append(WithoutWorkers(found.asleep), &awaited);
    Append(strays, &awaited);
    if (awaited.empty()) NoteThatNoneIsLeft(claim_keys);
    if (awaited.empty() || SteadyClock::now() >= until) return strays;
    AwaitAnEnd(awaited, until);
  }
}

}  // namespace torchlap::run
