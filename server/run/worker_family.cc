#include "server/run/worker_family.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>

#include "proto/base/file_descriptor.h"

namespace torchlap::run {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kMark = "TORCHLAP_WORKER_OF=";
constexpr char kBetweenKeys = ',';
// The kernel has no more for arguments and environment of most programs.
constexpr size_t kMostBytes = size_t{4} << 20;

std::string FileOf(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

// Empty: it is gone, or another's.
std::string Slurp(const std::string& file) {
  const FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> buffer;
  while (fd && text.size() < kMostBytes) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
  return text;
}

std::vector<pid_t> AllProcesses() {
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  if (!proc) return pids;
  while (const dirent* entry = ::readdir(proc.get())) {
    const long pid = std::strtol(entry->d_name, nullptr, 10);
    if (pid > 0) pids.push_back(static_cast<pid_t>(pid));
  }
  return pids;
}

bool IsOfThisAccount(pid_t pid) {
  struct stat info = {};
  return ::stat(FileOf(pid, "").c_str(), &info) == 0 && info.st_uid == ::geteuid();
}

// What stands behind `TORCHLAP_WORKER_OF=` in its environment; nothing: it has no mark, or does not
// show it. A dead one shows nothing.
std::optional<std::string> MarkIn(const std::string& environment) {
  for (size_t begin = 0; begin < environment.size();) {
    const size_t end = std::min(environment.find('\0', begin), environment.size());
    const std::string_view entry(environment.data() + begin, end - begin);
    if (entry.starts_with(kMark)) return std::string(entry.substr(kMark.size()));
    begin = end + 1;
  }
  return std::nullopt;
}

std::optional<std::string> MarkOfProcess(pid_t pid) {
  return MarkIn(Slurp(FileOf(pid, "environ")));
}

bool Names(std::string_view mark, const std::vector<std::string>& keys) {
  while (!mark.empty()) {
    const size_t end = std::min(mark.find(kBetweenKeys), mark.size());
    if (std::find(keys.begin(), keys.end(), mark.substr(0, end)) != keys.end()) return true;
    mark.remove_prefix(std::min(end + 1, mark.size()));
  }
  return false;
}

bool IsMarked(pid_t pid, const std::vector<std::string>& keys) {
  if (pid == ::getpid() || !IsOfThisAccount(pid)) return false;
  const std::optional<std::string> mark = MarkOfProcess(pid);
  return mark && Names(*mark, keys);
}

struct Stat {
  std::string name;
  char state = '\0';
  pid_t parent = 0;
};

// `1234 (any (name)) S 1 ...`
std::optional<Stat> StatOf(pid_t pid) {
  const std::string text = Slurp(FileOf(pid, "stat"));
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 4 >= text.size()) return std::nullopt;
  const size_t name_begin = std::min(text.find('('), name_end - 1) + 1;
  Stat stat;
  stat.name = text.substr(name_begin, name_end - name_begin);
  stat.state = text[name_end + 2];
  stat.parent = static_cast<pid_t>(std::strtol(text.c_str() + name_end + 3, nullptr, 10));
  return stat;
}

// While the kernel takes its memory back a process shows no environment, and holds its device
// still.
bool IsDyingWorker(pid_t pid) {
  if (!IsOfThisAccount(pid)) return false;
  const std::optional<Stat> stat = StatOf(pid);
  return stat && stat->state != 'Z' && stat->name.starts_with("torchlap-") &&
         Slurp(FileOf(pid, "environ")).empty();
}

FileDescriptor Open(pid_t pid) {
  // glibc 2.36 declares pidfd_open without C linkage.
  return FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// Looked at again once it is held, so that a number that was given away hits nobody else.
void KillMarked(pid_t pid, const std::vector<std::string>& keys) {
  const FileDescriptor process = Open(pid);
  if (process && IsMarked(pid, keys)) {
    ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  }
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

std::string MarkOf(const std::vector<std::string>& claim_keys) {
  std::string mark(kMark);
  for (const std::string& key : claim_keys) {
    if (mark.size() > kMark.size()) mark += kBetweenKeys;
    mark += key;
  }
  return mark;
}

std::vector<pid_t> MarkedProcesses(const std::vector<std::string>& claim_keys) {
  std::vector<pid_t> marked;
  if (claim_keys.empty()) return marked;
  for (const pid_t pid : AllProcesses()) {
    if (IsMarked(pid, claim_keys)) marked.push_back(pid);
  }
  return marked;
}

WorkerFamily& WorkerFamily::Own() {
  static WorkerFamily& family = *new WorkerFamily;
  return family;
}

int WorkerFamily::Start(const ProcessStart& start, pid_t* pid) {
  // Whom a worker leaves behind comes to this process, and not to init.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  // The lock: between its start and its entry a worker looks like an orphan.
  MutexLock lock(&mutex_);
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

std::vector<pid_t> WorkerFamily::KillOrphans() {
  std::vector<pid_t> orphans;
  MutexLock lock(&mutex_);
  for (const pid_t pid : AllProcesses()) {
    const std::optional<Stat> stat = StatOf(pid);
    if (!stat || stat->parent != ::getpid() || workers_.contains(pid)) continue;
    if (stat->state == 'Z') {
      ::waitpid(pid, nullptr, WNOHANG);
      continue;
    }
    // With one it belongs to a worker that has its own end, or had it.
    if (MarkOfProcess(pid)) continue;
    ::kill(pid, SIGKILL);
    orphans.push_back(pid);
  }
  return orphans;
}

std::vector<pid_t> WorkerFamily::DyingWorkers() {
  std::vector<pid_t> dying;
  for (const pid_t pid : AllProcesses()) {
    if (IsDyingWorker(pid)) dying.push_back(pid);
  }
  MutexLock lock(&mutex_);
  for (const pid_t pid : workers_) std::erase(dying, pid);
  return dying;
}

std::vector<pid_t> WorkerFamily::EndStrays(const std::vector<std::string>& claim_keys,
                                           std::chrono::milliseconds patience) {
  const SteadyClock::time_point until = SteadyClock::now() + patience;
  for (;;) {
    std::vector<pid_t> strays = MarkedProcesses(claim_keys);
    for (const pid_t pid : strays) KillMarked(pid, claim_keys);
    const std::vector<pid_t> orphans = KillOrphans();
    strays.insert(strays.end(), orphans.begin(), orphans.end());
    std::vector<pid_t> awaited = DyingWorkers();
    awaited.insert(awaited.end(), strays.begin(), strays.end());
    if (awaited.empty() || SteadyClock::now() >= until) return strays;
    AwaitAnEnd(awaited, until);
  }
}

}  // namespace torchlap::run
