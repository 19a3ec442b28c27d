#include "server/host/processor_use.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>

namespace torchlap::host {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLookFor{100};
constexpr uint64_t kLeastTicks = 2;

struct Process {
  pid_t parent = 0;
  ProcessorUse use;
};

// `1234 (any (name)) S 1 ...`: the parent is field 4, user and system time are 14 and 15, the
// processor is 39 (proc(5)).
std::optional<Process> ReadProcess(const fs::path& folder) {
  std::ifstream stat(folder / "stat");
  std::string text;
  if (!std::getline(stat, text)) return std::nullopt;
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  Process process;
  uint64_t system = 0;
  fields >> skipped >> process.parent;
  for (int field = 5; field < 14; ++field) fields >> skipped;
  fields >> process.use.ticks >> system;
  for (int field = 16; field < 39; ++field) fields >> skipped;
  if (!(fields >> process.use.core)) return std::nullopt;
  process.use.ticks += system;
  return process;
}

std::optional<pid_t> PidOf(const fs::path& folder) {
  const std::string name = folder.filename();
  pid_t pid = 0;
  const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || rest != name.data() + name.size()) return std::nullopt;
  return pid;
}

std::map<pid_t, Process> AllProcesses(const fs::path& root) {
  std::map<pid_t, Process> processes;
  std::error_code error;
  for (fs::directory_iterator entry(root / "proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::optional<pid_t> pid = PidOf(entry->path());
    if (!pid) continue;
    if (const std::optional<Process> process = ReadProcess(entry->path())) {
      processes[*pid] = *process;
    }
  }
  return processes;
}

// Nothing: it is gone.
std::optional<uid_t> RealUidOf(const fs::path& folder) {
  std::ifstream status(folder / "status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("Uid:")) continue;
    std::istringstream fields(line.substr(4));
    uid_t uid = 0;
    if (fields >> uid) return uid;
  }
  return std::nullopt;
}

// Itself, or the next one above it. A loop of parents cannot be, but the list was not read at one
// moment.
std::optional<size_t> TopOf(const std::map<pid_t, Process>& processes,
                            const std::map<pid_t, size_t>& tops, pid_t pid) {
  for (size_t i = 0; i <= processes.size() && pid > 0; ++i) {
    if (const auto top = tops.find(pid); top != tops.end()) return top->second;
    const auto found = processes.find(pid);
    if (found == processes.end()) return std::nullopt;
    pid = found->second.parent;
  }
  return std::nullopt;
}

bool IsOf(const ProcessOwner& owner, const fs::path& root) {
  return RealUidOf(root / "proc" / std::to_string(owner.pid)) == owner.uid;
}

}  // namespace

std::vector<std::map<pid_t, ProcessorUse>> UseOfTrees(const std::vector<ProcessOwner>& tops,
                                                      const fs::path& root) {
  std::vector<std::map<pid_t, ProcessorUse>> uses(tops.size());
  std::map<pid_t, size_t> index;
  for (size_t i = 0; i < tops.size(); ++i) {
    if (tops[i].pid > 0 && IsOf(tops[i], root)) index.try_emplace(tops[i].pid, i);
  }
  if (index.empty()) return uses;
  const std::map<pid_t, Process> processes = AllProcesses(root);
  for (const auto& [pid, process] : processes) {
    const std::optional<size_t> top = TopOf(processes, index, pid);
    if (top && IsOf({pid, tops[*top].uid}, root)) uses[*top][pid] = process.use;
  }
  return uses;
}

uint64_t TicksOn(const std::vector<int>& cores, const std::map<pid_t, ProcessorUse>& before,
                 const std::map<pid_t, ProcessorUse>& after) {
  uint64_t ticks = 0;
  for (const auto& [pid, use] : after) {
    if (std::find(cores.begin(), cores.end(), use.core) == cores.end()) continue;
    const auto earlier = before.find(pid);
    const uint64_t had = earlier == before.end() ? 0 : earlier->second.ticks;
    ticks += use.ticks - std::min(had, use.ticks);
  }
  return ticks;
}

std::optional<size_t> FirstToComputeOn(const std::vector<int>& cores,
                                       const std::vector<ProcessOwner>& processes) {
  const auto before = UseOfTrees(processes);
  if (std::all_of(before.begin(), before.end(), [](const auto& use) { return use.empty(); })) {
    return std::nullopt;
  }
  std::this_thread::sleep_for(kLookFor);
  const auto after = UseOfTrees(processes);
  for (size_t i = 0; i < processes.size(); ++i) {
    if (TicksOn(cores, before[i], after[i]) >= kLeastTicks) return i;
  }
  return std::nullopt;
}

}  // namespace torchlap::host
