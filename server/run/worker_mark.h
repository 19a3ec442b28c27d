// The entry of a worker's environment by which it, and whatever it starts, is found again.
//
// It is inherited by children in other sessions and in namespaces of their own (unshare): those
// stand in the daemon's /proc as well. It is only a hint of their own: what is ended must also be
// this account's, by all of its uids, and be younger than its mark.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/base/mutex.h"

namespace torchlap::run {

struct MarkOwner {
  // Boot and network namespace. A claim's name belongs to them: there alone a key has one holder,
  // so that of two daemons in two containers with one /proc neither ends the other's workers.
  std::string place;
  // A number that no other process has had.
  std::string daemon;
};

// This process. The same for all of its life.
const MarkOwner& OwnMark();

// `TORCHLAP_WORKER_OF=<place>:<daemon>:<now>:<keys>`, of what it works on: the claim keys of its
// device. Only the claim's holder starts workers there, so that of two with one key the older is a
// leftover. `now` is in ticks since the boot, as the start of a process in /proc.
std::string MarkOf(const std::vector<std::string>& claim_keys, const MarkOwner& owner = OwnMark());

// A number is given away again; with its start it is one process.
struct ProcessId {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // since the boot

  auto operator<=>(const ProcessId&) const = default;
};

// What the kernel tells of a process without a lock of that process.
struct ProcessState {
  ProcessId id;
  std::string name;
  char state = '\0';  // R, S, D, Z, ...
  pid_t parent = 0;
  bool is_kernels = false;
};

// `root` stands before /proc in all of this, so that tests read a made-up tree.

std::vector<pid_t> AllProcesses(const std::filesystem::path& root = "/");
// At least the children of this process; of a kernel that does not list them all processes.
std::vector<pid_t> ChildrenOfThis(const std::filesystem::path& root = "/");
// Nothing: it is gone.
std::optional<ProcessState> StateOf(pid_t pid, const std::filesystem::path& root = "/");
// Whether it, or one of its threads, is in a sleep that no signal ends (D): it may keep the lock
// that reading its environment takes.
bool SleepsUninterruptibly(const ProcessState& process, const std::filesystem::path& root = "/");
// Whether its real, effective and saved uid are this process's effective one: what another user
// started is his, also where the program is setuid to this account.
bool IsOfThisAccount(pid_t pid, const std::filesystem::path& root = "/");
uint64_t TicksSinceBoot();

struct Mark {
  MarkOwner owner;
  uint64_t ticks = 0;  // of the moment when it was made: before the worker's start
  std::string keys;
};

// Empty for one that is about to be gone. Not to be asked of one that sleeps uninterruptibly.
struct ProcessEnvironment {
  std::optional<Mark> mark;
  bool is_empty = false;
};
ProcessEnvironment ProcessEnvironmentOf(pid_t pid, const std::filesystem::path& root = "/");

// Thread-safe; holds no lock while it reads. Whoever sleeps uninterruptibly is not read then, but
// at a later look.
class MarkSearch {
 public:
  explicit MarkSearch(std::filesystem::path root = "/") : root_(std::move(root)) {}

  struct Found {
    // Those whose mark is of this place and has one of the keys, however they got it. Whoever shows
    // none any more, as he sleeps so or is about to be gone, is known by the one that he had.
    std::vector<ProcessId> marked;
    // Those that sleep so and were never read, in their first looks: nobody is waited for at every
    // run because of a disk that is gone. Workers whose daemon is gone, by their name, aside.
    std::vector<pid_t> asleep;
    std::vector<pid_t> sleeping_workers;
    // Workers by their name that show no environment: the kernel takes their memory back, and they
    // hold their device still.
    std::vector<pid_t> dying;
    // Somebody sleeps so who was never read and is not waited for any more: there may be one with a
    // mark.
    bool passed_over = false;
  };
  // Those of `pids` that are this account's, this process aside. For no keys none is marked. Marks
  // of others are kept.
  Found Look(const std::vector<pid_t>& pids, const std::vector<std::string>& claim_keys)
      TORCHLAP_EXCLUDES(mutex_);

 private:
  void LookAt(const ProcessState& process, const std::vector<std::string>& keys, Found* found)
      TORCHLAP_EXCLUDES(mutex_);
  void LookAtSleeper(const ProcessState& process, const std::vector<std::string>& keys,
                     Found* found) TORCHLAP_EXCLUDES(mutex_);
  // By the mark that it had; false: none was read.
  bool LookAtKnown(const ProcessState& process, const std::vector<std::string>& keys, Found* found)
      TORCHLAP_EXCLUDES(mutex_);
  // Forgets who has ended; these have not.
  void ForgetEnded(const std::set<ProcessId>& present) TORCHLAP_EXCLUDES(mutex_);
  std::vector<ProcessId> KnownBeside(const std::set<ProcessId>& present) TORCHLAP_EXCLUDES(mutex_);

  const std::filesystem::path root_;
  Mutex mutex_;
  // Marks that were read, of processes that are there still.
  std::map<ProcessId, Mark> seen_ TORCHLAP_GUARDED_BY(mutex_);
  std::map<ProcessId, int> looks_at_sleepers_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::run
