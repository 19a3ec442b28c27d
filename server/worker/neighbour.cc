#include "server/worker/neighbour.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "proto/base/visible_text.h"

namespace torchlap::worker {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kShortestWindowNs = 200'000'000;
constexpr double kForeignShare = 0.05;

std::optional<int32_t> ParsePid(std::string_view text) {
  int32_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return pid;
}

// The fields of a /proc/<pid>/stat behind the name; the first one is number 3 in proc(5).
std::optional<std::array<std::string_view, 37>> FieldsFromThird(std::string_view text) {
  std::array<std::string_view, 37> fields;
  for (std::string_view& field : fields) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    field = text.substr(0, text.find_first_of(" \n"));
    if (field.empty()) return std::nullopt;
    text.remove_prefix(field.size());
  }
  return fields;
}

int64_t NumberOr0(std::string_view text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// A name may hold spaces and brackets; the last bracket ends it.
std::optional<ProcessTimes> ParseProcess(std::string_view stat) {
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  const auto fields = FieldsFromThird(stat.substr(close + 1));
  if (!fields) return std::nullopt;
  const auto field = [&fields](size_t number) { return NumberOr0((*fields)[number - 3]); };
  static const int64_t tick_ns = kSecondNs / ::sysconf(_SC_CLK_TCK);
  ProcessTimes process;
  process.name = stat.substr(open + 1, close - open - 1);
  process.cpu_ns = (field(14) + field(15)) * tick_ns;
  process.started_ns = field(22) * tick_ns;
  process.last_core = static_cast<int>(field(39));
  return process;
}

std::optional<ProcessTimes> ReadProcess(const std::filesystem::path& folder) {
  std::ifstream file(folder / "stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::optional<ProcessTimes> process = ParseProcess(text);
  struct stat owner = {};
  if (!process || ::stat(folder.c_str(), &owner) != 0) return std::nullopt;
  process->uid = owner.st_uid;
  return process;
}

}  // namespace

std::map<int32_t, ProcessTimes> ReadProcesses(const std::filesystem::path& root, int32_t except) {
  std::map<int32_t, ProcessTimes> processes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(root / "proc", ignored)) {
    const auto pid = ParsePid(entry.path().filename().native());
    if (!pid || *pid == except) continue;
    if (auto process = ReadProcess(entry.path())) processes.emplace(*pid, *std::move(process));
  }
  return processes;
}

int64_t SinceBootNs() {
  timespec time = {};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return time.tv_sec * kSecondNs + time.tv_nsec;
}

NeighbourWatch::NeighbourWatch(std::vector<int> cores, int32_t own_pid, int64_t since_boot_ns,
                               std::filesystem::path root)
    : cores_(std::move(cores)),
      own_pid_(own_pid),
      began_ns_(since_boot_ns),
      root_(std::move(root)),
      between_scans_ns_(kShortestWindowNs) {}

// Windows overlap, so that the end of a run is part of one that is long enough.
void NeighbourWatch::Look(int64_t now_ns, int64_t foreign_cpu_ns) {
  const Moment now{now_ns, foreign_cpu_ns};
  if (!window_) window_ = next_window_ = now;
  if (PassesThreshold(now) && (!next_scan_ns_ || now_ns >= *next_scan_ns_)) {
    Scan();
    next_scan_ns_ = now_ns + between_scans_ns_;
    between_scans_ns_ *= 2;
  }
  if (now_ns - next_window_->at_ns >= kShortestWindowNs) {
    window_ = std::exchange(next_window_, now);
  }
}

bool NeighbourWatch::PassesThreshold(const Moment& now) const {
  const int64_t window_ns = now.at_ns - window_->at_ns;
  const auto cores_ns = static_cast<double>(window_ns) * static_cast<double>(cores_.size());
  const auto foreign_ns = static_cast<double>(now.foreign_cpu_ns - window_->foreign_cpu_ns);
  return window_ns >= kShortestWindowNs && foreign_ns > kForeignShare * cores_ns;
}

void NeighbourWatch::Scan() {
  for (const auto& [pid, process] : ReadProcesses(root_, own_pid_)) {
    const auto [entry, is_new] = seen_.try_emplace({pid, process.started_ns});
    if (is_new) {
      entry->second.last = process;
      // All that it did was during the watch: as if it had been seen then.
      if (process.started_ns >= began_ns_) entry->second.last.cpu_ns = 0;
    }
    Count(process, &entry->second);
  }
}

void NeighbourWatch::Count(const ProcessTimes& process, Seen* seen) const {
  const int64_t cpu_ns = process.cpu_ns - seen->last.cpu_ns;
  const int ends_on_our_cores = IsOurs(seen->last.last_core) + IsOurs(process.last_core);
  seen->cpu_ns += cpu_ns;
  seen->on_our_cores_ns += cpu_ns * ends_on_our_cores / 2;
  seen->last = process;
}

bool NeighbourWatch::IsOurs(int core) const {
  return std::find(cores_.begin(), cores_.end(), core) != cores_.end();
}

std::optional<v1::Neighbour> NeighbourWatch::Find() {
  if (!next_scan_ns_) return std::nullopt;
  Scan();
  const auto less = [](const auto& a, const auto& b) {
    return std::tie(a.second.on_our_cores_ns, a.second.cpu_ns) <
           std::tie(b.second.on_our_cores_ns, b.second.cpu_ns);
  };
  const auto most = std::max_element(seen_.begin(), seen_.end(), less);
  if (most == seen_.end() || most->second.cpu_ns <= 0) return std::nullopt;
  v1::Neighbour neighbour;
  neighbour.set_pid(most->first.first);
  // It chose its name itself: one that is no UTF-8 would make the whole report unreadable.
  neighbour.set_process(Visible(most->second.last.name));
  neighbour.set_uid(most->second.last.uid);
  neighbour.set_cpu_ns(most->second.cpu_ns);
  return neighbour;
}

}  // namespace torchlap::worker
