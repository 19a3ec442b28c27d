#include "server/run/worker_mark.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <sstream>
#include <string_view>
#include <system_error>

#include "proto/base/file_descriptor.h"

namespace torchlap::run {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = "TORCHLAP_WORKER_OF=";
constexpr char kBetweenFields = ':';
constexpr char kBetweenKeys = ',';
// The kernel has no more for arguments and environment of most programs.
constexpr size_t kMostBytes = size_t{4} << 20;
constexpr uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD
constexpr char kUninterruptible = 'D';
constexpr int kLooksAtSleepers = 5;

fs::path FileOf(const fs::path& root, pid_t pid, const char* name) {
  return root / "proc" / std::to_string(pid) / name;
}

// Empty: it is gone, or another's.
std::string Slurp(const fs::path& file) {
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

std::vector<pid_t> NumbersIn(const fs::path& folder) {
  std::vector<pid_t> numbers;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), &::closedir);
  if (!entries) return numbers;
  while (const dirent* entry = ::readdir(entries.get())) {
    const long number = std::strtol(entry->d_name, nullptr, 10);
    if (number > 0) numbers.push_back(static_cast<pid_t>(number));
  }
  return numbers;
}

// `1234 (any (name)) S 1 ...`: the parent is field 4, the flags are 9, the start is 22 (proc(5)).
std::optional<ProcessState> ParseStat(pid_t pid, const std::string& text) {
  const size_t name_begin = text.find('(');
  const size_t name_end = text.rfind(')');
  if (name_begin == std::string::npos || name_end == std::string::npos) return std::nullopt;
  ProcessState process;
  process.id.pid = pid;
  process.name = text.substr(name_begin + 1, name_end - name_begin - 1);
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  uint64_t flags = 0;
  fields >> process.state >> process.parent;
  for (int field = 5; field < 9; ++field) fields >> skipped;
  fields >> flags;
  for (int field = 10; field < 22; ++field) fields >> skipped;
  if (!(fields >> process.id.start_ticks)) return std::nullopt;
  process.is_kernels = (flags & kKernelThread) != 0;
  return process;
}

std::string NewNumber() {
  uint64_t number = 0;
  // The pool is never empty once the machine has booted.
  if (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) {
    number = TicksSinceBoot();
  }
  std::ostringstream text;
  text << std::hex << number << "-" << std::dec << ::getpid();
  return text.str();
}

// `b6b39410-139f-4d69-9e8e-1c9104e92b0d/4026531840`
std::string PlaceOfClaims() {
  std::string boot = Slurp("/proc/sys/kernel/random/boot_id");
  boot.erase(std::min(boot.find('\n'), boot.size()));
  std::error_code error;
  const std::string network = fs::read_symlink("/proc/self/ns/net", error);
  std::string number;
  std::copy_if(network.begin(), network.end(), std::back_inserter(number),
               [](char c) { return c >= '0' && c <= '9'; });
  return boot + "/" + number;
}

// What stands before the next separator, which goes as well.
std::string_view TakeField(std::string_view* text) {
  const size_t end = std::min(text->find(kBetweenFields), text->size());
  const std::string_view field = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return field;
}

std::optional<Mark> ParseMark(std::string_view text) {
  Mark mark;
  mark.owner.place = TakeField(&text);
  mark.owner.daemon = TakeField(&text);
  const std::string_view ticks = TakeField(&text);
  const auto [rest, error] = std::from_chars(ticks.data(), ticks.data() + ticks.size(), mark.ticks);
  if (error != std::errc() || rest != ticks.data() + ticks.size()) return std::nullopt;
  mark.keys = text;
  return mark;
}

std::optional<Mark> MarkIn(const std::string& environment) {
  for (size_t begin = 0; begin < environment.size();) {
    const size_t end = std::min(environment.find('\0', begin), environment.size());
    const std::string_view entry(environment.data() + begin, end - begin);
    if (entry.starts_with(kMark)) return ParseMark(entry.substr(kMark.size()));
    begin = end + 1;
  }
  return std::nullopt;
}

bool HasOneOf(const std::vector<std::string>& keys, std::string_view named) {
  while (!named.empty()) {
    const size_t end = std::min(named.find(kBetweenKeys), named.size());
    if (std::find(keys.begin(), keys.end(), named.substr(0, end)) != keys.end()) return true;
    named.remove_prefix(std::min(end + 1, named.size()));
  }
  return false;
}

bool Names(const Mark& mark, const std::vector<std::string>& keys, const ProcessId& process) {
  return mark.owner.place == OwnMark().place && process.start_ticks >= mark.ticks &&
         HasOneOf(keys, mark.keys);
}

// By its effective uid. Tells most from ours, and costs no file.
bool HasOwnFolder(pid_t pid, const fs::path& root) {
  struct stat info = {};
  return ::stat(FileOf(root, pid, "").c_str(), &info) == 0 && info.st_uid == ::geteuid();
}

bool IsWorkerByName(const ProcessState& process) { return process.name.starts_with("torchlap-"); }

bool HasDaemon(const ProcessState& process, const fs::path& root) {
  const auto parent = StateOf(process.parent, root);
  return parent && parent->name == "torchlapd";
}

}  // namespace

const MarkOwner& OwnMark() {
  static const MarkOwner& owner = *new MarkOwner{PlaceOfClaims(), NewNumber()};
  return owner;
}

std::string MarkOf(const std::vector<std::string>& claim_keys, const MarkOwner& owner) {
  std::string keys;
  for (const std::string& key : claim_keys) {
    if (!keys.empty()) keys += kBetweenKeys;
    keys += key;
  }
  return std::string(kMark) + owner.place + kBetweenFields + owner.daemon + kBetweenFields +
         std::to_string(TicksSinceBoot()) + kBetweenFields + keys;
}

std::vector<pid_t> AllProcesses(const fs::path& root) { return NumbersIn(root / "proc"); }

std::vector<pid_t> ChildrenOfThis(const fs::path& root) {
  const fs::path tasks = root / "proc" / "self" / "task";
  std::vector<pid_t> children;
  for (const pid_t task : NumbersIn(tasks)) {
    const fs::path file = tasks / std::to_string(task) / "children";
    if (::access(file.c_str(), R_OK) != 0) return AllProcesses(root);
    std::istringstream pids(Slurp(file));
    for (pid_t pid = 0; pids >> pid;) children.push_back(pid);
  }
  return children;
}

std::optional<ProcessState> StateOf(pid_t pid, const fs::path& root) {
  return ParseStat(pid, Slurp(FileOf(root, pid, "stat")));
}

bool SleepsUninterruptibly(const ProcessState& process, const fs::path& root) {
  if (process.state == kUninterruptible) return true;
  const fs::path tasks = FileOf(root, process.id.pid, "task");
  for (const pid_t task : NumbersIn(tasks)) {
    const auto thread = ParseStat(task, Slurp(tasks / std::to_string(task) / "stat"));
    if (thread && thread->state == kUninterruptible) return true;
  }
  return false;
}

bool IsOfThisAccount(pid_t pid, const fs::path& root) {
  if (!HasOwnFolder(pid, root)) return false;
  std::istringstream status(Slurp(FileOf(root, pid, "status")));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("Uid:")) continue;
    std::istringstream uids(line.substr(4));
    uid_t real = 0;
    uid_t effective = 0;
    uid_t saved = 0;
    return uids >> real >> effective >> saved && real == ::geteuid() && effective == real &&
           saved == real;
  }
  return false;
}

uint64_t TicksSinceBoot() {
  constexpr uint64_t kNsPerSecond = 1'000'000'000;
  timespec now = {};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const auto per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return static_cast<uint64_t>(now.tv_sec) * per_second +
         static_cast<uint64_t>(now.tv_nsec) * per_second / kNsPerSecond;
}

ProcessEnvironment ProcessEnvironmentOf(pid_t pid, const fs::path& root) {
  const std::string environment = Slurp(FileOf(root, pid, "environ"));
  return {MarkIn(environment), environment.empty()};
}

MarkSearch::Found MarkSearch::Look(const std::vector<pid_t>& pids,
                                   const std::vector<std::string>& claim_keys) {
  Found found;
  std::set<ProcessId> present;
  for (const pid_t pid : pids) {
    if (pid == ::getpid() || !HasOwnFolder(pid, root_)) continue;
    const std::optional<ProcessState> process = StateOf(pid, root_);
    if (!process || process->is_kernels || process->state == 'Z') continue;
    present.insert(process->id);
    if (!IsOfThisAccount(pid, root_)) continue;
    if (SleepsUninterruptibly(*process, root_)) {
      LookAtSleeper(*process, claim_keys, &found);
    } else {
      LookAt(*process, claim_keys, &found);
    }
  }
  ForgetEnded(present);
  return found;
}

void MarkSearch::LookAt(const ProcessState& process, const std::vector<std::string>& keys,
                        Found* found) {
  const ProcessEnvironment environment = ProcessEnvironmentOf(process.id.pid, root_);
  if (environment.is_empty && !LookAtKnown(process, keys, found) && IsWorkerByName(process)) {
    found->dying.push_back(process.id.pid);
  }
  if (!environment.mark) return;
  if (Names(*environment.mark, keys, process.id)) found->marked.push_back(process.id);
  MutexLock lock(&mutex_);
  seen_[process.id] = *environment.mark;
}

void MarkSearch::LookAtSleeper(const ProcessState& process, const std::vector<std::string>& keys,
                               Found* found) {
  if (LookAtKnown(process, keys, found)) return;
  if (IsWorkerByName(process) && !HasDaemon(process, root_)) {
    found->sleeping_workers.push_back(process.id.pid);
    return;
  }
  MutexLock lock(&mutex_);
  int& looks = looks_at_sleepers_[process.id];
  if (looks == kLooksAtSleepers) {
    found->passed_over = true;
    return;
  }
  ++looks;
  found->asleep.push_back(process.id.pid);
}

bool MarkSearch::LookAtKnown(const ProcessState& process, const std::vector<std::string>& keys,
                             Found* found) {
  MutexLock lock(&mutex_);
  const auto seen = seen_.find(process.id);
  if (seen == seen_.end()) return false;
  if (Names(seen->second, keys, process.id)) found->marked.push_back(process.id);
  return true;
}

void MarkSearch::ForgetEnded(const std::set<ProcessId>& present) {
  std::vector<ProcessId> ended = KnownBeside(present);
  std::erase_if(ended, [this](const ProcessId& known) {
    const std::optional<ProcessState> now = StateOf(known.pid, root_);
    return now && now->id == known && now->state != 'Z';
  });
  MutexLock lock(&mutex_);
  for (const ProcessId& process : ended) {
    seen_.erase(process);
    looks_at_sleepers_.erase(process);
  }
}

std::vector<ProcessId> MarkSearch::KnownBeside(const std::set<ProcessId>& present) {
  std::vector<ProcessId> known;
  MutexLock lock(&mutex_);
  for (const auto& [process, mark] : seen_) {
    if (!present.contains(process)) known.push_back(process);
  }
  for (const auto& [process, looks] : looks_at_sleepers_) {
    if (!present.contains(process)) known.push_back(process);
  }
  return known;
}

}  // namespace torchlap::run
